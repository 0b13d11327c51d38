import Glibc
import LinuxSystem
import SystemPackage
import TestSupport
import Testing

@Suite("A FUSE connection that nobody serves", .requiresFuse)
struct FuseConnectionTests {
  /// A FUSE mount whose INIT stays unanswered, so that every request to it waits.
  final class DeadMount: Sendable {
    let device: SharedDescriptor
    let folder: TemporaryDirectory
    let connection: FuseConnection

    init() throws {
      folder = try TemporaryDirectory("fuse")
      device = SharedDescriptor(try FuseDevice.open())
      let options = "fd=\(device.rawValue),rootmode=40000,user_id=0,group_id=0,allow_other"
      try Mount.mount(source: "test", target: folder.path, type: "fuse.test", flags: .volume, data: options)
      connection = FuseConnection(try #require(try MountTable.read().visible(at: folder.path)))
    }

    /// Reads the INIT request, and leaves it unanswered.
    func readInit() throws {
      try Waiting.untilReadable(device.descriptor)
      _ = try device.descriptor.read(upTo: 65_536)
    }
  }

  @Test("a call into it misses its deadline, and returns when the connection is aborted")
  func deadlineAndAbort() async throws {
    let mount = try DeadMount()
    let threads = BlockingThreads(maximumRunning: 2, maximumAbandoned: 2)
    let path = mount.folder.path
    let (late, signal) = AsyncStream<Void>.makeStream()
    // On a busy machine the deadline may pass before the call is begun, which then is never made.
    for attempt in 1... {
      let statfs = Task {
        try await BlockingCall.run(name: "statfs", deadline: .after(.milliseconds(20 * attempt)), threads: threads) {
          () throws(Errno) in
          defer { signal.finish() }
          return try FileSystemStatistics(at: path)
        }
      }
      let result = await statfs.result
      #expect(throws: BlockingCallError.deadlineExceeded(name: "statfs")) { _ = try result.get() }
      if threads.abandonedCount > 0 { break }
    }
    // The call is abandoned when its thread has begun it, and asks the file system at once or a little later.
    try mount.readInit()
    #expect(threads.abandonedCount >= 1)
    try mount.connection.abort()
    for await _ in late {}
    try Mount.unmount(path, flags: [.detach, .noFollow])
  }

  @Test("an abort fails the request in flight, and later ones find no connection")
  func abortedErrors() async throws {
    let mount = try DeadMount()
    let path = mount.folder.path
    let call = Task {
      try await BlockingCall.run(name: "statfs", deadline: .never) { () throws(Errno) in
        try FileSystemStatistics(at: path)
      }
    }
    try mount.readInit()
    try mount.connection.abort()
    let result = await call.result
    #expect(throws: BlockingCallError.self) { try result.get() }
    #expect(throws: Errno.socketNotConnected) { try FileSystemStatistics(at: path) }
    try Mount.unmount(path, flags: [.detach, .noFollow])
  }

  @Test("a connection is ended through its device, and the next one with its number is left alone")
  func abortSwitch() async throws {
    // Where no other test's namespace gets a copy of the mount, which would keep its connection.
    try await PrivateMountNamespace.run {
      let mount = try DeadMount()
      try mount.readInit()
      guard let early = try mount.connection.abortSwitch(of: mount.device.descriptor) else {
        Issue.record("the connection is over")
        return
      }
      try Mount.unmount(mount.folder.path, flags: [.detach, .noFollow])
      // The device stays open; its connection is over.
      let late = try mount.connection.abortSwitch(of: mount.device.descriptor)
      let isOver = late == nil
      #expect(isOver)
      // The kernel gives the lowest number that is free: nearly always the same.
      let next = try DeadMount()
      try early.abort()
      #expect(try !next.device.descriptor.hasError())
      #expect(try next.connection.waiting() == 1)
      try next.connection.abortSwitch(of: next.device.descriptor)?.abort()
      #expect(try next.device.descriptor.hasError())
      try Mount.unmount(next.folder.path, flags: [.detach, .noFollow])
    }
  }

  @Test("a connection that is gone says so")
  func gone() throws {
    let mount = try DeadMount()
    try Mount.unmount(mount.folder.path, flags: [.detach, .noFollow])
    let absent = FuseConnection(number: 0xF_FFFE)
    #expect(throws: Errno.noSuchFileOrDirectory) { try absent.abort() }
    #expect(throws: Errno.noSuchFileOrDirectory) { try absent.waiting() }
  }

  @Test("reading the mount table and the holders does not touch the dead mount")
  func tableDoesNotBlock() throws {
    let mount = try DeadMount()
    let entry = try #require(try MountTable.read().visible(at: mount.folder.path))
    #expect(entry.type == "fuse.test")
    #expect(try MountHolders.find(entry).isEmpty)
    try Mount.unmount(mount.folder.path, flags: [.detach, .noFollow])
  }
}
