import Glibc
import LinuxSystem
import Logging
import Synchronization
import SystemPackage
import TestSupport
import Testing
import UnderFileSystem
import VolumeFileSystem

@testable import Fuse

/// A mount whose sessions run in the test's own process, so that the test says what happens beneath them.
private final class MountedSession: Sendable {
  let folder: TemporaryDirectory
  let path: String
  let volume: LooseVolume
  let connection: FuseConnection
  private let device: SharedDescriptor
  private let fuseInit: [UInt8]

  /// Serves nothing yet.
  init(_ base: any UnderFileSystem = InMemoryFileSystem()) throws {
    folder = try TemporaryDirectory("session")
    path = try folder.makeDirectory("mount")
    let mount = try FuseMount.mount(at: path)
    fuseInit = mount.request.reduced(to: mount.reply.granted)
    device = SharedDescriptor(try mount.device.duplicate())
    connection = mount.connection
    volume = try LooseVolume(base, fuseInit: fuseInit)
  }

  deinit { try? Mount.unmount(path, flags: [.detach, .noFollow]) }

  /// A worker's session; the first one, or the next when the one before is gone.
  func serve(_ fileSystem: VolumeFileSystem) throws(Errno) -> Session {
    let session = try Session(
      device: try device.descriptor.duplicate(), fuseInit: fuseInit, fileSystem: fileSystem,
      log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    try session.start()
    return session
  }

  /// At the end of a test, before its descriptors close: a flush would wait for a worker for ever.
  func end() { try? connection.abort() }

  /// Until the kernel has a request that is not answered.
  func untilAsked() throws(Errno) {
    let limit = Deadline.after(.seconds(20))
    while try connection.waiting() == 0 {
      guard !limit.hasPassed else { throw .timedOut }
      sched_yield()
    }
  }
}

/// The kernel's requests, and faults that no disk gives on demand.
@Suite("Sessions on a mount", .requiresFuse, .serialized)
struct MountedSessionTests {
  @Test("an application that asks between two workers gets its answer from the second, open files go on")
  func drained() async throws {
    let mounted = try MountedSession()
    defer { mounted.end() }
    let first = try mounted.serve(mounted.volume.fileSystem)
    let path = mounted.path
    // A number and no owner, which could close it, and so ask, while no worker is there.
    let file = try await OwnThread.run {
      let file = try Files.open("\(path)/f", O_RDWR | O_CREAT | O_EXCL)
      try Files.writeAt(file, "one", 0)
      return file.release()
    }
    first.stop()
    #expect(first.wait() == .stopped)
    async let made: Void = OwnThread.run { try Files.makeDirectory("\(path)/d") }
    async let written: Int = OwnThread.run { try Syscall.once { pwrite(file, "two", 3, 3) } }
    try await OwnThread.run { try mounted.untilAsked() }
    let second = try mounted.serve(try mounted.volume.successor())
    try second.requestResend()
    try await made
    #expect(try await written == 3)
    let content = try await OwnThread.run { try Files.read("\(path)/f") }
    #expect(content == "onetwo")
    let names = try await OwnThread.run { try Set(Files.list(path)) }
    #expect(names == ["f", "d"])
    try await OwnThread.run { try Descriptor(adopting: file).close() }
    second.stop()
    #expect(second.wait() == .stopped)
  }

  @Test("five workers follow each other under a writer, who notices nothing")
  func fiveWorkers() async throws {
    let mounted = try MountedSession()
    defer { mounted.end() }
    var session = try mounted.serve(mounted.volume.fileSystem)
    let path = mounted.path
    let progress = Progress()
    async let writer: Int = OwnThread.run {
      let file = try Files.open("\(path)/f", O_RDWR | O_CREAT)
      while !progress.isOver.load(ordering: .relaxed) {
        let count = progress.count.load(ordering: .relaxed)
        try Files.writeAt(file, "x", count)
        progress.count.store(count + 1, ordering: .relaxed)
      }
      return try Int(Files.status("\(path)/f").st_size)
    }
    for _ in 0..<5 {
      let before = progress.count.load(ordering: .relaxed)
      let limit = Deadline.after(.seconds(20))
      while progress.count.load(ordering: .relaxed) == before, !limit.hasPassed { await Task.yield() }
      session.stop()
      #expect(session.wait() == .stopped)
      session = try mounted.serve(try mounted.volume.successor())
    }
    progress.isOver.store(true, ordering: .relaxed)
    let size = try await writer
    #expect(size == progress.count.load(ordering: .relaxed) && size > 5)
    session.stop()
    _ = session.wait()
  }

  private final class Progress: Sendable {
    let count = Atomic(0)
    let isOver = Atomic(false)
  }

  @Test("an unmount ends the session as one")
  func unmounted() async throws {
    let mounted = try MountedSession()
    defer { mounted.end() }
    let session = try mounted.serve(mounted.volume.fileSystem)
    let path = mounted.path
    try await OwnThread.run { try Mount.unmount(path) }
    #expect(session.wait() == .unmounted)
  }

  @Test("an abort ends the session, and its applications get errors instead of waiting")
  func aborted() async throws {
    let gate = try Gate()
    let mounted = try MountedSession(
      FaultyFileSystem(InMemoryFileSystem()) { call in
        if call == .statistics { gate.pass() }
        return nil
      })
    defer { mounted.end() }
    let session = try mounted.serve(mounted.volume.fileSystem)
    let path = mounted.path
    async let asked: Errno? = OwnThread.run {
      var values = statvfs()
      return statvfs(path, &values) == 0 ? nil : Errno(rawValue: errno)
    }
    try gate.untilReached()
    try mounted.connection.abort()
    #expect(try await asked != nil)
    gate.open()
    #expect(session.wait() == .unmounted)
  }

  @Test(
    "a full disk, a quota and a broken disk reach the application as they are, and pass",
    arguments: [ENOSPC, EDQUOT, EIO, EFBIG, EROFS])
  func faults(number: CInt) async throws {
    let fault = Atomic32(0)
    let calls: Set<UnderFileSystemCall> = [.write, .allocate, .prepare, .setAttributes, .truncate]
    let mounted = try MountedSession(
      FaultyFileSystem(InMemoryFileSystem()) { call in
        let now = fault.value.load(ordering: .relaxed)
        return now != 0 && calls.contains(call) ? Errno(rawValue: now) : nil
      })
    defer { mounted.end() }
    let session = try mounted.serve(mounted.volume.fileSystem)
    let path = mounted.path
    try await OwnThread.run {
      let file = try Files.open("\(path)/f", O_RDWR | O_CREAT)
      try Files.writeAt(file, "before", 0)
      fault.value.store(number, ordering: .relaxed)
      let expected = Errno(rawValue: number)
      let plain = file.rawValue
      #expect(throws: expected) { try Files.writeAt(Files.open("\(path)/f", O_RDWR), "AFTER!", 0) }
      #expect(posix_fallocate(plain, 0, 100) == number)
      #expect(throws: expected) { try Files.write("", "\(path)/new") }
      #expect(throws: expected) { try Files.makeDirectory("\(path)/d") }
      #expect(throws: expected) { try Files.symlink("x", "\(path)/l") }
      #expect(throws: expected) { try Files.changeMode("\(path)/f", 0o600) }
      #expect(throws: expected) { try Files.truncate("\(path)/f", 1) }
      fault.value.store(0, ordering: .relaxed)
      #expect(try Files.list(path) == ["f"])
      #expect(try Files.read("\(path)/f") == "before")
      try Files.writeAt(file, "AFTER!", 0)
      #expect(try Files.read("\(path)/f") == "AFTER!")
    }
    session.stop()
    #expect(session.wait() == .stopped)
  }

  private final class Atomic32: Sendable {
    let value: Atomic<CInt>
    init(_ initial: CInt) { value = Atomic(initial) }
  }
}
