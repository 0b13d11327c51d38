import Glibc
import LinuxSystem
import Logging
import SystemPackage
import TestSupport
import UnderFileSystem
import VolumeFileSystem
import VolumeModel

@testable import Fuse

/// Requests of a connection by their numbers, as `linux/fuse.h` has them.
enum Opcode: UInt32, Sendable, CaseIterable {
  case lookup = 1
  case forget = 2
  case getattr = 3
  case setattr = 4
  case readlink = 5
  case symlink = 6
  case mknod = 8
  case mkdir = 9
  case unlink = 10
  case rmdir = 11
  case rename = 12
  case link = 13
  case open = 14
  case read = 15
  case write = 16
  case statfs = 17
  case release = 18
  case fsync = 20
  case setxattr = 21
  case getxattr = 22
  case listxattr = 23
  case removexattr = 24
  case flush = 25
  case opendir = 27
  case readdir = 28
  case releasedir = 29
  case fsyncdir = 30
  case getlk = 31
  case access = 34
  case create = 35
  case ioctl = 39
  case poll = 40
  case batchForget = 42
  case fallocate = 43
  case rename2 = 45
  case lseek = 46
  case copyFileRange = 47

  /// Whether the kernel waits for no answer.
  var isUnanswered: Bool { self == .forget || self == .batchForget }
}

/// Bytes of a message, in the byte order of the machine.
struct Words {
  private(set) var bytes: [UInt8] = []

  mutating func add<Value: FixedWidthInteger>(_ value: Value) {
    for index in 0..<Value.bitWidth / 8 { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * Value(index)))) }
  }
  mutating func add(_ more: [UInt8]) { bytes += more }
  /// With its NUL.
  mutating func add(name: String) { bytes += Array(name.utf8) + [0] }

  static func of(_ values: [UInt64], names: [String] = []) -> [UInt8] {
    var words = Words()
    for value in values { words.add(value) }
    for name in names { words.add(name: name) }
    return words.bytes
  }

  /// Two words of 32 bits as one of 64.
  static func pair(_ low: UInt32, _ high: UInt32) -> UInt64 { UInt64(low) | UInt64(high) << 32 }
}

/// An answer: `fuse_out_header` and what follows.
struct RawAnswer: Equatable {
  /// `len` of the header.
  let length: UInt32
  /// 0 or a negative errno.
  let error: Int32
  let unique: UInt64
  let body: [UInt8]

  init?(_ bytes: [UInt8]) {
    guard bytes.count >= 16 else { return nil }
    func load(_ offset: Int, _ count: Int) -> UInt64 {
      bytes[offset..<offset + count].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
    length = UInt32(load(0, 4))
    error = Int32(truncatingIfNeeded: load(4, 4))
    unique = load(8, 8)
    body = Array(bytes[16...])
  }

  func word(_ index: Int) -> UInt64 {
    body[index * 8..<index * 8 + 8].reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }
}

/// A session whose kernel is the test: a socket that keeps packets apart stands in the place of `/dev/fuse`, as one read
/// takes one request and one write gives one answer there too.
final class RawConnection: Sendable {
  let session: Session
  private let kernel: SeqpacketSocket
  private let worker: SeqpacketSocket

  init(_ fileSystem: VolumeFileSystem, limits: ReaderCensus.Limits = .init()) throws {
    (kernel, worker) = try SeqpacketSocket.pair()
    session = try Self.serve(fileSystem, worker, limits)
  }

  private static func serve(
    _ fileSystem: VolumeFileSystem, _ socket: SeqpacketSocket, _ limits: ReaderCensus.Limits
  ) throws(Errno) -> Session {
    try Session(
      device: try socket.descriptor.duplicate(), fuseInit: initRequest(), fileSystem: fileSystem,
      log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, limits: limits)
  }

  /// Another worker's session on the same connection; start it when the first has stopped.
  func successor(_ fileSystem: VolumeFileSystem) throws(Errno) -> Session {
    try Self.serve(fileSystem, worker, .init())
  }

  /// A FUSE_INIT of a kernel that offers nothing.
  static func initRequest(minor: UInt32 = 38) -> [UInt8] {
    var body = Words()
    for word in [7, minor, 1 << 20, 0] as [UInt32] { body.add(word) }
    body.add([UInt8](repeating: 0, count: 48))
    return request(26, unique: 1, node: 0, body: body.bytes)
  }

  static func request(_ opcode: UInt32, unique: UInt64, node: UInt64, body: [UInt8], length: UInt32? = nil) -> [UInt8] {
    var words = Words()
    words.add(length ?? UInt32(40 + body.count))
    words.add(opcode)
    words.add(unique)
    words.add(node)
    // uid, gid, pid, padding.
    for _ in 0..<4 { words.add(UInt32(0)) }
    words.add(body)
    return words.bytes
  }

  func send(_ bytes: [UInt8]) throws(Errno) { try kernel.send(bytes) }

  func send(_ opcode: Opcode, unique: UInt64, node: UInt64 = 1, _ body: [UInt8] = []) throws(Errno) {
    try send(Self.request(opcode.rawValue, unique: unique, node: node, body: body))
  }

  /// The next answer.
  func answer() throws -> RawAnswer? {
    try Waiting.untilReadable(kernel.descriptor)
    return RawAnswer(try kernel.receive(maxBytes: 1 << 17)?.bytes ?? [])
  }

  /// Whether an answer waits already.
  func hasAnswer() throws(Errno) -> Bool { try kernel.descriptor.isReadable(within: 0) }

  /// Sends and takes the next answer.
  func ask(_ opcode: Opcode, unique: UInt64 = 99, node: UInt64 = 1, _ body: [UInt8] = []) throws -> RawAnswer? {
    try send(opcode, unique: unique, node: node, body)
    return try answer()
  }

  /// No requests come any more.
  func hangUp() throws(Errno) { try kernel.finishSending() }

  /// Lets the session end. - Returns: why it did.
  @discardableResult
  func end() -> SessionEnd? {
    session.stop()
    return session.wait()
  }
}

/// A volume without a mount: over a file system in memory, or over a directory.
struct LooseVolume {
  /// The shared state that a mounter would hold.
  let state: SharedDescriptor
  let fileSystem: VolumeFileSystem
  let base: any UnderFileSystem

  init(_ base: any UnderFileSystem = InMemoryFileSystem(), fuseInit: [UInt8] = RawConnection.initRequest()) throws {
    let memory = try Memfd.create(name: "volume-test", byteCount: SharedStateLayout.size(maxNodes: 4096))
    try memory.writeAll(SharedStateLayout.header(maxNodes: 4096, initRequest: fuseInit, initReply: [1]) ?? [])
    try Memfd.seal(memory, .shrink)
    state = SharedDescriptor(memory)
    self.base = base
    fileSystem = try Self.serve(base, state)
  }

  private static func serve(_ base: any UnderFileSystem, _ state: SharedDescriptor) throws(Errno) -> VolumeFileSystem {
    try VolumeFileSystem(
      underFileSystem: base, state: try SharedState(descriptor: state.descriptor), options: WorkerOptions())
  }

  /// What another worker makes of the same state.
  func successor() throws(Errno) -> VolumeFileSystem { try Self.serve(base, state) }
}

/// A call of the under file system that hangs until the test lets it go, and says that it does.
final class Gate: Sendable {
  private let reached: EventFD
  private let opened: EventFD

  init() throws(Errno) {
    reached = try EventFD()
    opened = try EventFD()
  }

  /// Hangs; called in the worker.
  func pass() {
    reached.signal()
    try? Waiting.untilReadable(opened.descriptor)
  }

  /// Until somebody hangs.
  func untilReached() throws(Errno) { try Waiting.untilReadable(reached.descriptor) }
  /// Lets everybody go on.
  func open() { opened.signal() }
}
