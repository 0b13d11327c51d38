import CFuse
import Glibc
import Synchronization
import LinuxSystem
import Logging
import SystemPackage
import TestSupport
import Testing
import UnderFileSystem
import VolumeFileSystem
import VolumeModel

@testable import Fuse

/// What one session leaves to the next, with the test as the kernel.
@Suite("Sessions that follow each other on one connection")
struct HandoverTests {
  private static let getattr = Words.of([0, 0])

  @Test("what a stopped session has not read is answered by its successor")
  func unread() throws {
    let volume = try LooseVolume()
    let connection = try RawConnection(volume.fileSystem)
    try connection.session.start()
    let made = try connection.ask(.mkdir, unique: 1, Words.of([0o755], names: ["d"]))
    let node = try #require(made?.word(0))
    #expect(connection.end() == .stopped)
    #expect(connection.session.readerCount == 0)
    for unique in 2...20 as ClosedRange<UInt64> {
      try connection.send(.getattr, unique: unique, node: node, Self.getattr)
    }
    #expect(try !connection.hasAnswer())
    let next = try connection.successor(try volume.successor())
    try next.start()
    // Several readers answer; each request has one answer, and the node is the one that the first worker gave out.
    var seen: Set<UInt64> = []
    for _ in 2...20 {
      let answer = try #require(try connection.answer())
      #expect(answer.error == 0 && seen.insert(answer.unique).inserted)
    }
    #expect(seen == Set(2...20))
    next.stop()
    #expect(next.wait() == .stopped)
  }

  @Test("what hangs while a session stops is answered before it ends, and blocks no other request until then")
  func begun() throws {
    let gate = try Gate()
    let base = InMemoryFileSystem()
    let volume = try LooseVolume(
      FaultyFileSystem(base) { call in
        if call == .statistics { gate.pass() }
        return nil
      })
    let connection = try RawConnection(volume.fileSystem)
    try connection.session.start()
    try connection.send(.statfs, unique: 1)
    try gate.untilReached()
    for unique in 2...30 as ClosedRange<UInt64> {
      #expect(try connection.ask(.getattr, unique: unique, Self.getattr)?.unique == unique)
    }
    connection.session.stop()
    // The readers that waited go; the one whose request hangs stays.
    repeat { #expect(connection.session.wait(milliseconds: 1) == nil) } while connection.session.readerCount > 1
    try connection.send(.getattr, unique: 31, Self.getattr)
    gate.open()
    #expect(connection.session.wait() == .stopped)
    // The answer to what was begun, and none to what came after the stop.
    #expect(try connection.answer()?.unique == 1)
    #expect(try !connection.hasAnswer())
    let next = try connection.successor(try volume.successor())
    try next.start()
    #expect(try connection.answer()?.unique == 31)
    next.stop()
    _ = next.wait()
  }

  @Test("more requests than readers may hang and the rest waits, none is lost")
  func manyHang() throws {
    let gate = try Gate()
    let volume = try LooseVolume(
      FaultyFileSystem(InMemoryFileSystem()) { call in
        if call == .statistics { gate.pass() }
        return nil
      })
    let connection = try RawConnection(volume.fileSystem, limits: .init(least: 1, total: 4))
    try connection.session.start()
    for unique in 1...12 as ClosedRange<UInt64> { try connection.send(.statfs, unique: unique) }
    try gate.untilReached()
    #expect(connection.session.readerCount <= 4)
    gate.open()
    var seen: Set<UInt64> = []
    for _ in 1...12 { seen.insert(try connection.answer()?.unique ?? 0) }
    #expect(seen == Set(1...12))
    #expect(connection.end() == .stopped)
  }

  @Test("the shared state says whether the last worker was asked anything; what it is only told does not count")
  func asked() throws {
    let volume = try LooseVolume()
    func field(_ offset: Int) throws -> UInt8 { try Memfd.firstBytes(64, of: volume.state.descriptor)[offset] }
    let connection = try RawConnection(volume.fileSystem)
    try connection.session.start()
    try connection.send(.forget, unique: 1, Words.of([1]))
    #expect(try field(SharedStateLayout.askedWorkerOffset) == 0)
    _ = try connection.ask(.getattr, unique: 2, Self.getattr)
    #expect(try field(SharedStateLayout.askedWorkerOffset) == field(SharedStateLayout.workerGenerationOffset))
    connection.end()
    let next = try RawConnection(try volume.successor())
    try next.session.start()
    try next.send(.forget, unique: 3, Words.of([1]))
    next.end()
    #expect(try field(SharedStateLayout.workerGenerationOffset) == 2)
    #expect(try field(SharedStateLayout.askedWorkerOffset) == 1)
  }

  @Test("a successor asks the kernel for what the dead worker had read, in the 16 bytes that the kernel knows")
  func resend() throws {
    let connection = try RawConnection(try LooseVolume().fileSystem)
    try connection.session.requestResend()
    let notice = try #require(try connection.answer())
    #expect(notice.length == 16 && notice.error == 7 && notice.unique == 0 && notice.body.isEmpty)
  }

  @Test("a request that comes again with the mark of a resend is answered under that number")
  func resent() throws {
    let connection = try RawConnection(try LooseVolume().fileSystem)
    try connection.session.start()
    let unique = 1 << 63 | 7 as UInt64
    #expect(try connection.ask(.getattr, unique: unique, Self.getattr)?.unique == unique)
    connection.end()
  }

  @Test("a session that stops leaves what it does not answer to its successor, and one that serves does not")
  func leaves() throws {
    let connection = try RawConnection(try LooseVolume().fileSystem)
    try connection.session.start()
    let context = connection.session.context
    let whileServing = context.leavesUnanswered.load(ordering: .relaxed)
    #expect(!whileServing)
    #expect(connection.end() == .stopped)
    let whenStopped = context.leavesUnanswered.load(ordering: .relaxed)
    #expect(whenStopped)
  }

  @Test("a request that is dropped is answered with EIO, and left unanswered when the session leaves its requests")
  func dropped() throws {
    let (kernel, worker) = try SeqpacketSocket.pair()
    let context = SessionContext(
      fileSystem: try LooseVolume().fileSystem, log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
      device: worker.descriptor.rawValue)
    let session = try #require(try DroppingSession(context, worker.descriptor.rawValue))
    try session.process(RawConnection.request(Opcode.statfs.rawValue, unique: 8, node: 1, body: []))
    try Waiting.untilReadable(kernel.descriptor)
    let answer = RawAnswer(try kernel.receive(maxBytes: 4096)?.bytes ?? [])
    #expect(answer?.unique == 8 && answer?.error == -EIO)
    context.leavesUnanswered.store(true, ordering: .relaxed)
    try session.process(RawConnection.request(Opcode.statfs.rawValue, unique: 9, node: 1, body: []))
    #expect(try !kernel.descriptor.isReadable(within: 0))
    withExtendedLifetime((context, worker)) {}
  }
}

/// A session of libfuse whose STATFS forgets to answer.
private final class DroppingSession {
  private let handle: OpaquePointer
  private let buffer: RequestBuffer

  init?(_ context: SessionContext, _ device: CInt) throws {
    buffer = try RequestBuffer()
    var table = fuse_lowlevel_ops()
    table.`init` = { _, connection in Connection.agree(connection) }
    table.statfs = { raw, _ in _ = Request(raw) }
    guard let name = strdup("test") else { return nil }
    defer { free(name) }
    var arguments: [UnsafeMutablePointer<CChar>?] = [name, nil]
    let made = arguments.withUnsafeMutableBufferPointer { vector in
      var list = fuse_args(argc: 1, argv: vector.baseAddress, allocated: 0)
      return fuse_session_new(&list, &table, MemoryLayout<fuse_lowlevel_ops>.size, context.userData)
    }
    guard let made else { return nil }
    handle = made
    var io = DeviceIO.table
    guard fuse_session_custom_io(handle, &io, dup(device)) == 0 else { return nil }
    context.isReplaying.store(true, ordering: .relaxed)
    try process(RawConnection.initRequest())
    context.isReplaying.store(false, ordering: .relaxed)
  }

  deinit { fuse_session_destroy(handle) }

  func process(_ bytes: [UInt8]) throws {
    buffer.request.copyMemory(from: bytes, byteCount: bytes.count)
    buffer.inspect(byteCount: bytes.count)
    CurrentBuffer.with(buffer) {
      var memory = fuse_buf()
      memory.mem = buffer.request
      memory.size = bytes.count
      fuse_session_process_buf(handle, &memory)
    }
  }
}
