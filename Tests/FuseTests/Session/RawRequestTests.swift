import Glibc
import LinuxSystem
import Logging
import SystemPackage
import TestSupport
import Testing
import UnderFileSystem
import VolumeFileSystem

@testable import Fuse

/// Requests as no kernel, or only a damaged one, would send them.
@Suite("A session that gets bytes instead of a kernel's requests")
struct RawRequestTests {
  private let volume: LooseVolume
  private let connection: RawConnection

  init() throws {
    volume = try LooseVolume()
    connection = try RawConnection(volume.fileSystem)
    try connection.session.start()
  }

  private func error(_ opcode: Opcode, node: UInt64 = 1, _ body: [UInt8] = []) throws -> Errno? {
    let answer = try connection.ask(opcode, node: node, body)
    #expect(answer?.unique == 99 && answer.map { Int($0.length) == 16 + $0.body.count } == true)
    return answer.map { Errno(rawValue: -$0.error) }
  }

  @Test("a name that leads elsewhere, is hidden or too long is refused, whatever is asked of it")
  func names() throws {
    for name in ["", ".", "..", "a/b", "/"] {
      #expect(try error(.lookup, Words.of([], names: [name])) == .invalidArgument)
      #expect(try error(.unlink, Words.of([], names: [name])) == .invalidArgument)
      #expect(try error(.rmdir, Words.of([], names: [name])) == .invalidArgument)
      #expect(try error(.mkdir, Words.of([0o755], names: [name])) == .invalidArgument)
      #expect(try error(.symlink, Words.of([], names: [name, "target"])) == .invalidArgument)
      #expect(try error(.rename, Words.of([1], names: [name, "x"])) == .invalidArgument)
    }
    let long = String(repeating: "x", count: 256)
    #expect(try error(.lookup, Words.of([], names: [long])) == .fileNameTooLong)
    #expect(try error(.mkdir, Words.of([0o755], names: [long])) == .fileNameTooLong)
    let hidden = ".alluxio.tmp.0000000000000001"
    #expect(try error(.lookup, Words.of([], names: [hidden])) == .noSuchFileOrDirectory)
    #expect(try error(.mkdir, Words.of([0o755], names: [hidden])) == .notPermitted)
    #expect(connection.end() == .stopped)
  }

  @Test("a node that nobody looked up is ESTALE", arguments: [0, 2, 4096, 4097, 1 << 63, .max])
  func foreignNodes(node: UInt64) throws {
    #expect(try error(.getattr, node: node, Words.of([0, 0])) == .staleNFSFileHandle)
    #expect(try error(.lookup, node: node, Words.of([], names: ["x"])) == .staleNFSFileHandle)
    #expect(try error(.open, node: node, Words.of([0])) == .staleNFSFileHandle)
    #expect(try error(.readlink, node: node) == .staleNFSFileHandle)
    #expect(try error(.opendir, node: node, Words.of([0])) == .staleNFSFileHandle)
    connection.end()
  }

  @Test("more data than was agreed is EINVAL and not a walk beyond the buffer")
  func sizes() throws {
    let tooMuch = UInt32(FuseInitReply.maxWrite) + 1
    for size in [tooMuch, .max] {
      // fh, offset, size and flags, lock owner, open flags.
      let body = Words.of([0, 0, Words.pair(size, 0), 0, 0])
      #expect(try error(.read, body) == .invalidArgument)
      #expect(try error(.readdir, body) == .invalidArgument)
    }
    connection.end()
  }

  @Test(
    "close(2) of a descriptor asks the worker where it may have written, and not where it only reads",
    arguments: [(O_RDONLY, false), (O_WRONLY, true), (O_RDWR, true)])
  func closes(flags: Int32, isAsked: Bool) throws {
    // mode and device, umask.
    let made = try #require(
      try connection.ask(.mknod, Words.of([Words.pair(S_IFREG | 0o644, 0), 0], names: ["file"])))
    #expect(made.error == 0)
    let opened = try #require(try connection.ask(.open, node: made.word(0), Words.of([UInt64(flags)])))
    #expect(opened.error == 0)
    // FOPEN_NOFLUSH
    #expect((opened.word(1) & 1 << 5 == 0) == isAsked)
    connection.end()
  }

  @Test("an operation that nobody serves is refused, and what comes next is served")
  func unknown() throws {
    for opcode: UInt32 in [7, 19, 99, 4095, .max] {
      try connection.send(RawConnection.request(opcode, unique: 5, node: 1, body: [0, 0, 0, 0, 0, 0, 0, 0]))
      let answer = try connection.answer()
      #expect(answer?.unique == 5 && answer?.error == -ENOSYS)
    }
    #expect(try error(.getattr, Words.of([0, 0])) == Errno(rawValue: 0))
    connection.end()
  }

  @Test("locks, access and poll are left to the kernel")
  func leftToKernel() throws {
    let rest = [UInt64](repeating: 0, count: 8)
    for opcode in [Opcode.getlk, .access, .poll] {
      let seen = try error(opcode, Words.of(rest))
      #expect(seen == .noFunction, "\(opcode)")
    }
    // Not ENOSYS: a file that is no device knows no ioctl(2).
    #expect(try error(.ioctl, Words.of(rest)) == .inappropriateIOCTLForDevice)
    connection.end()
  }

  @Test("a forget has no answer: the next answer is the next request's")
  func forgets() throws {
    try connection.send(.forget, unique: 1, node: 1, Words.of([1]))
    try connection.send(.forget, unique: 2, node: 77, Words.of([.max]))
    try connection.send(.batchForget, unique: 3, node: 0, Words.of([Words.pair(2, 0), 1, 5, 900, 1]))
    #expect(try connection.ask(.getattr, unique: 4, Words.of([0, 0]))?.unique == 4)
    #expect(try !connection.hasAnswer())
    connection.end()
  }

  @Test("bytes that are no request end the session with EIO", arguments: [1, 16, 39])
  func truncated(count: Int) throws {
    try connection.send([UInt8](repeating: 0, count: count))
    #expect(connection.session.wait() == .failed(.ioError))
    #expect(connection.session.readerCount == 0)
  }

  @Test("an end of file, which a device never has, ends the session with EIO")
  func hangUp() throws {
    #expect(try error(.getattr, Words.of([0, 0])) == Errno(rawValue: 0))
    try connection.hangUp()
    #expect(connection.session.wait() == .failed(.ioError))
  }

  @Test("whatever else was agreed for the connection is refused before anything is served")
  func badInit() throws {
    for bytes in [[], [1, 2, 3], RawConnection.initRequest(minor: 30)] {
      #expect(throws: Errno.protocolError) {
        _ = try Session(
          device: try Descriptor.open("/dev/null", O_RDWR), fuseInit: bytes, fileSystem: volume.fileSystem,
          log: .init(label: "test"))
      }
    }
    connection.end()
  }
}

/// Random requests of every kind on a directory of this machine.
@Suite("A session under random requests", .requiresRoot)
struct RandomRequestTests {
  /// Bytes of an operation's own structure, in words of 64 bits, and how many names follow.
  private static func shape(_ opcode: Opcode) -> (words: Int, names: Int) {
    switch opcode {
    case .lookup, .unlink, .rmdir, .removexattr: (0, 1)
    case .symlink: (0, 2)
    case .forget, .open, .opendir, .listxattr, .access: (1, 0)
    case .mkdir, .link, .getxattr: (1, 1)
    case .rename: (1, 2)
    case .getattr, .fsync, .fsyncdir: (2, 0)
    case .mknod, .create: (2, 1)
    case .rename2: (2, 2)
    case .release, .releasedir, .flush, .lseek: (3, 0)
    case .fallocate, .ioctl, .poll: (4, 0)
    case .read, .readdir: (5, 0)
    case .getlk: (6, 0)
    case .copyFileRange: (7, 0)
    case .setattr: (11, 0)
    case .readlink, .statfs: (0, 0)
    case .write, .setxattr, .batchForget: (0, 0)
    }
  }

  private struct Source {
    var random: SeededGenerator

    /// Mostly small, so that requests meet; sometimes at the edges of what fits.
    mutating func word() -> UInt64 {
      switch Int.random(in: 0..<8, using: &random) {
      case 0: [UInt64.max, 1 << 63, 1 << 62, UInt64(UInt32.max), 1 << 31].randomElement(using: &random) ?? 0
      case 1: .random(in: .min ... .max, using: &random)
      case 2: Words.pair(.random(in: 0..<0o10000, using: &random), .random(in: 0..<8, using: &random))
      default: .random(in: 0..<8, using: &random)
      }
    }

    mutating func name() -> String {
      ["a", "b", "c", "d", "user.x", "..", "", "a/b", "é"].randomElement(using: &random) ?? "a"
    }

    mutating func body(_ opcode: Opcode) -> [UInt8] {
      switch opcode {
      case .write:
        let data = random.bytes(count: Int.random(in: 0..<3000, using: &random))
        return Words.of([word(), word() & (1 << 30 - 1), Words.pair(UInt32(data.count), 0), 0, word()]) + data
      case .setxattr:
        let value = random.bytes(count: Int.random(in: 0..<100, using: &random))
        return Words.of([Words.pair(UInt32(value.count), .random(in: 0..<4, using: &random))], names: ["user.x"])
          + value
      case .batchForget:
        return Words.of([Words.pair(2, 0), word(), word(), word(), word()])
      default:
        let shape = RandomRequestTests.shape(opcode)
        return Words.of((0..<shape.words).map { _ in word() }, names: (0..<shape.names).map { _ in name() })
      }
    }
  }

  @Test("every request is answered once, in form, and the session serves on", arguments: 1...12)
  func answeredOnce(seed: UInt64) throws {
    let directory = try TemporaryDirectory("requests")
    let base = try LocalFileSystem(root: try Descriptor.open(directory.path, O_RDONLY | O_DIRECTORY))
    let connection = try RawConnection(try LooseVolume(base).fileSystem)
    try connection.session.start()
    var source = Source(random: SeededGenerator(seed: seed))
    var succeeded: Set<Opcode> = []
    for unique in 1...600 as ClosedRange<UInt64> {
      let opcode = Opcode.allCases.randomElement(using: &source.random) ?? .getattr
      let node = UInt64.random(in: 0..<8, using: &source.random)
      try connection.send(opcode, unique: unique, node: node, source.body(opcode))
      if opcode.isUnanswered { continue }
      let answer = try #require(try connection.answer())
      #expect(answer.unique == unique && Int(answer.length) == 16 + answer.body.count, "\(opcode)")
      #expect(answer.error <= 0 && answer.error > -4096 && (answer.error == 0 || answer.body.isEmpty), "\(opcode)")
      if answer.error == 0 { succeeded.insert(opcode) }
    }
    #expect(try connection.ask(.getattr, unique: 1000, Words.of([0, 0]))?.unique == 1000)
    #expect(try !connection.hasAnswer())
    // The run would say nothing if all were refused.
    #expect(succeeded.count >= 10, "\(succeeded)")
    #expect(connection.end() == .stopped)
    withExtendedLifetime(directory) {}
  }
}
