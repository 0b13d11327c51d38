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
///
/// No file on it may be open while nobody serves it: a child that another test starts just then closes its copy of the
/// descriptor, which asks the worker, and posix_spawn waits for the child. RestartTests does that with processes.
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
  func end() { try? connection.abortSwitch(of: device.descriptor)?.abort() }

  /// Until the kernel has a request that is not answered.
  func untilAsked() throws(Errno) { try Waiting.untilAsked(connection) }
}

/// The kernel's requests, and faults that no disk gives on demand.
@Suite("Sessions on a mount", .requiresFuse, .serialized)
struct MountedSessionTests {
  @Test("an application that asks between two workers gets its answer from the second")
  func drained() async throws {
    let mounted = try MountedSession()
    defer { mounted.end() }
    let first = try mounted.serve(mounted.volume.fileSystem)
    let path = mounted.path
    try await OwnThread.run { try Files.makeDirectory("\(path)/before") }
    first.stop()
    #expect(first.wait() == .stopped)
    async let made: Void = OwnThread.run { try Files.makeDirectory("\(path)/before/d") }
    try await OwnThread.run { try mounted.untilAsked() }
    let second = try mounted.serve(try mounted.volume.successor())
    try second.requestResend()
    try await made
    let inner = try mounted.volume.base.root.lookup("before").node
    #expect(try inner.lookup("d").attributes.isDirectory)
    second.stop()
    #expect(second.wait() == .stopped)
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
    try await OwnThread.run { try gate.untilReached() }
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
