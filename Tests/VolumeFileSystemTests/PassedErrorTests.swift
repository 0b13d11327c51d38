import Glibc
import Synchronization
import SystemPackage
import TestSupport
import Testing
import UnderFileSystem
import VolumeFileSystem

/// One FUSE operation of each kind on a volume that holds `f`, `d` and the symlink `l`; `open` is a handle on `f`.
private struct Attempt: Sendable, CustomTestStringConvertible {
  let name: String
  /// The call of the under file system that it cannot do without.
  let needs: UnderFileSystemCall
  let run: @Sendable (VolumeFileSystem, _ file: NodeID, _ open: HandleID) throws(Errno) -> Void
  var testDescription: String { name }

  init(
    _ name: String, _ needs: UnderFileSystemCall,
    _ run: @escaping @Sendable (VolumeFileSystem, NodeID, HandleID) throws(Errno) -> Void
  ) {
    self.name = name
    self.needs = needs
    self.run = run
  }

  static let all: [Attempt] = [
    Attempt("lookup", .lookup) { (fs, _, _) throws(Errno) in _ = try fs.lookup("f", in: rootNode) },
    Attempt("getattr", .attributes) { (fs, file, _) throws(Errno) in _ = try fs.getAttributes(of: file) },
    Attempt("setattr", .setAttributes) { (fs, file, _) throws(Errno) in
      var change = AttributeChange()
      change.mode = 0o600
      _ = try fs.setAttributes(change, of: file, caller: rootCaller)
    },
    Attempt("ftruncate", .truncate) { (fs, file, open) throws(Errno) in
      var change = AttributeChange()
      change.size = 1
      _ = try fs.setAttributes(change, of: file, handle: open, caller: rootCaller)
    },
    Attempt("readlink", .readLink) { (fs, _, _) throws(Errno) in
      let link = try fs.lookup("l", in: rootNode).node
      defer { fs.forget(link, 1) }
      _ = try fs.readLink(link)
    },
    Attempt("create: the object", .prepare) { (fs, _, _) throws(Errno) in
      _ = try fs.create("new", in: rootNode, mode: 0o600, flags: O_RDWR, caller: rootCaller)
    },
    Attempt("create: its name", .place) { (fs, _, _) throws(Errno) in
      _ = try fs.create("new", in: rootNode, mode: 0o600, flags: O_RDWR, caller: rootCaller)
    },
    Attempt("mknod", .place) { (fs, _, _) throws(Errno) in
      _ = try fs.makeNode("new", in: rootNode, mode: S_IFIFO | 0o600, device: 0, caller: rootCaller)
    },
    Attempt("mkdir", .prepare) { (fs, _, _) throws(Errno) in
      _ = try fs.makeDirectory("new", in: rootNode, mode: 0o700, caller: rootCaller)
    },
    Attempt("symlink", .place) { (fs, _, _) throws(Errno) in
      _ = try fs.makeSymlink("new", in: rootNode, target: [0x61], caller: rootCaller)
    },
    Attempt("link", .link) { (fs, file, _) throws(Errno) in
      _ = try fs.link(file, as: "new", in: rootNode, caller: rootCaller)
    },
    Attempt("unlink", .remove) { (fs, _, _) throws(Errno) in
      try fs.unlink("f", in: rootNode, caller: rootCaller)
    },
    Attempt("rmdir", .remove) { (fs, _, _) throws(Errno) in
      try fs.removeDirectory("d", in: rootNode, caller: rootCaller)
    },
    Attempt("rename", .rename) { (fs, _, _) throws(Errno) in
      try fs.rename("f", in: rootNode, to: "new", in: rootNode, flags: [], caller: rootCaller)
    },
    Attempt("open", .open) { (fs, _, _) throws(Errno) in
      let link = try fs.lookup("other", in: rootNode).node
      defer { fs.forget(link, 1) }
      let open = try fs.open(link, flags: O_RDONLY, caller: rootCaller)
      fs.release(link, handle: open.handle)
    },
    Attempt("read", .read) { (fs, file, open) throws(Errno) in _ = try fs.read(file, open, 10) },
    Attempt("write", .write) { (fs, file, open) throws(Errno) in _ = try fs.write(file, open, [1, 2]) },
    Attempt("flush", .flush) { (fs, file, open) throws(Errno) in try fs.flush(file, handle: open) },
    Attempt("fsync", .synchronize) { (fs, file, open) throws(Errno) in try fs.synchronize(file, handle: open) },
    Attempt("fsyncdir", .synchronize) { (fs, _, _) throws(Errno) in
      let open = try fs.openDirectory(rootNode, flags: O_RDONLY)
      defer { fs.releaseDirectory(rootNode, handle: open.handle) }
      try fs.synchronizeDirectory(rootNode, handle: open.handle)
    },
    Attempt("fallocate", .allocate) { (fs, file, open) throws(Errno) in
      try fs.allocate(file, handle: open, mode: 0, offset: 0, length: 100)
    },
    Attempt("lseek", .seek) { (fs, file, open) throws(Errno) in
      _ = try fs.seek(file, handle: open, offset: 0, whence: 3)
    },
    Attempt("copy_file_range", .copy) { (fs, file, open) throws(Errno) in
      _ = try fs.copyRange(from: file, handle: open, at: 0, to: file, handle: open, at: 100, length: 2)
    },
    Attempt("readdir", .list) { (fs, _, _) throws(Errno) in _ = try fs.names() },
    Attempt("statfs", .statistics) { (fs, _, _) throws(Errno) in _ = try fs.statistics() },
    Attempt("getxattr", .extendedAttribute) { (fs, file, _) throws(Errno) in
      _ = try fs.extendedAttribute("user.a", of: file)
    },
    Attempt("setxattr", .extendedAttribute) { (fs, file, _) throws(Errno) in
      try fs.setExtendedAttribute("user.b", of: file, to: [1], flags: [], caller: rootCaller)
    },
    Attempt("listxattr", .extendedAttribute) { (fs, file, _) throws(Errno) in
      _ = try fs.extendedAttributeNames(of: file)
    },
    Attempt("removexattr", .extendedAttribute) { (fs, file, _) throws(Errno) in
      try fs.removeExtendedAttribute("user.a", of: file, caller: rootCaller)
    },
  ]
}

/// What the under file system says goes to the application as it is, changes nothing, and costs nothing.
@Suite("errors of the under file system")
struct PassedErrorTests {
  private let volume: VolumeInMemory
  private let file: Entry
  private let open: HandleID

  init() throws {
    volume = try VolumeInMemory()
    file = try volume.files.makeFile("f", Array("content".utf8))
    volume.files.forget(try volume.files.makeFile("other").node, 1)
    volume.files.forget(
      try volume.files.makeDirectory("d", in: rootNode, mode: 0o755, caller: rootCaller).node, 1)
    volume.files.forget(
      try volume.files.makeSymlink("l", in: rootNode, target: [0x66], caller: rootCaller).node, 1)
    try volume.files.setExtendedAttribute("user.a", of: file.node, to: [7], flags: [], caller: rootCaller)
    open = try volume.files.open(file.node, flags: O_RDWR, caller: rootCaller).handle
  }

  @Test("each operation passes the error on, changes nothing and keeps no descriptor", arguments: Attempt.all)
  fileprivate func passes(operation: Attempt) throws {
    let names = Set(try volume.files.names())
    let content = try volume.files.content(file.node)
    let descriptors = volume.files.descriptorCount
    // A full disk, a quota, a broken disk, a server that went away, a refusal.
    for error: Errno in [.noSpace, .diskQuotaExceeded, .ioError, .timedOut, .permissionDenied, .readOnlyFileSystem] {
      let seen = volume.failing(operation.needs, error) {
        #expect(throws: Errno.self) { try operation.run(volume.files, file.node, open) }
      }
      #expect(seen == error)
    }
    #expect(volume.files.descriptorCount <= descriptors + 1)
    #expect(Set(try volume.files.names()) == names)
    #expect(try volume.files.content(file.node) == content)
    #expect(try volume.files.extendedAttribute("user.a", of: file.node) == [7])
    #expect(try volume.files.getAttributes(of: file.node).attributes.linkCount == 1)
    // Nothing is remembered of the failure.
    try operation.run(volume.files, file.node, open)
  }

  @Test("an operation that failed has counted no lookup: one forget ends the node")
  func lookupCounts() throws {
    let entry = try volume.files.lookup("other", in: rootNode)
    for _ in 0..<3 {
      volume.failing(.lookup, .ioError) {
        #expect(throws: Errno.ioError) { try volume.files.lookup("other", in: rootNode) }
      }
      volume.failing(.link, .ioError) {
        #expect(throws: Errno.ioError) {
          try volume.files.link(entry.node, as: "n", in: rootNode, caller: rootCaller)
        }
      }
    }
    volume.files.forget(entry.node, 1)
    #expect(throws: Errno.staleNFSFileHandle) { try volume.files.getAttributes(of: entry.node) }
  }

  @Test("an error of one file is not another's")
  func otherFile() throws {
    let other = try volume.files.lookup("other", in: rootNode).node
    let handle = try volume.files.open(other, flags: O_RDWR, caller: rootCaller).handle
    volume.failing(.write, .noSpace) {
      #expect(throws: Errno.noSpace) { try volume.files.write(file.node, open, [1]) }
    }
    #expect(try volume.files.write(other, handle, [1]) == 1)
    volume.files.release(other, handle: handle)
  }

  @Test("a number that stands for nothing is ESTALE in every operation", arguments: [0, 77, 1 << 40, .max])
  func foreignNumbers(node: NodeID) throws {
    let files = volume.files
    let stale = Errno.staleNFSFileHandle
    #expect(throws: stale) { try files.getAttributes(of: node) }
    #expect(throws: stale) { try files.lookup("f", in: node) }
    #expect(throws: stale) { try files.readLink(node) }
    #expect(throws: stale) { try files.open(node, flags: O_RDONLY, caller: rootCaller) }
    #expect(throws: stale) { try files.openDirectory(node, flags: O_RDONLY) }
    #expect(throws: stale) { try files.read(node, open, 1) }
    #expect(throws: stale) { try files.write(node, open, [1]) }
    #expect(throws: stale) { try files.create("n", in: node, mode: 0, flags: O_RDWR, caller: rootCaller) }
    #expect(throws: stale) { try files.makeDirectory("n", in: node, mode: 0, caller: rootCaller) }
    #expect(throws: stale) { try files.link(node, as: "n", in: rootNode, caller: rootCaller) }
    #expect(throws: stale) { try files.link(file.node, as: "n", in: node, caller: rootCaller) }
    #expect(throws: stale) { try files.unlink("f", in: node, caller: rootCaller) }
    #expect(throws: stale) { try files.rename("f", in: node, to: "g", in: rootNode, flags: [], caller: rootCaller) }
    #expect(throws: stale) { try files.rename("f", in: rootNode, to: "g", in: node, flags: [], caller: rootCaller) }
    #expect(throws: stale) { try files.setAttributes(AttributeChange(), of: node, caller: rootCaller) }
    #expect(throws: stale) { try files.extendedAttributeNames(of: node) }
    #expect(throws: stale) { try files.synchronizeDirectory(node, handle: open) }
    // What has no answer does nothing.
    files.forget(node, 1)
    files.release(node, handle: open)
    files.releaseDirectory(node, handle: open)
    #expect(try files.names().count == 4)
  }

  @Test("of random calls that fail now and then only those count that succeeded", arguments: 1...20)
  func randomFaults(seed: UInt64) throws {
    let volume = try VolumeInMemory(descriptorLimit: 16)
    let random = RandomFaults(seed: seed)
    volume.fail { random.next($0) }
    var expected: Set<FileName> = []
    var generator = SeededGenerator(seed: seed)
    for _ in 0..<400 {
      let name = FileName(bytes: "n\(Int.random(in: 0..<12, using: &generator))".utf8)
      let other = FileName(bytes: "n\(Int.random(in: 0..<12, using: &generator))".utf8)
      switch Int.random(in: 0..<3, using: &generator) {
      case 0:
        let flags = O_RDWR | O_EXCL
        if let made = try? volume.files.create(name, in: rootNode, mode: 0o600, flags: flags, caller: rootCaller) {
          #expect(expected.insert(name).inserted)
          volume.files.release(made.entry.node, handle: made.open.handle)
          volume.files.forget(made.entry.node, 1)
        }
      case 1:
        if (try? volume.files.unlink(name, in: rootNode, caller: rootCaller)) != nil {
          #expect(expected.remove(name) != nil)
        }
      default:
        if (try? volume.files.rename(name, in: rootNode, to: other, in: rootNode, flags: [], caller: rootCaller))
          != nil,
          name != other
        {
          #expect(expected.remove(name) != nil)
          expected.insert(other)
        }
      }
    }
    volume.heal()
    // A creation that failed behind its last step may have left its file; nothing else may differ.
    #expect(Set(try volume.files.names()).isSuperset(of: expected))
    #expect(random.count > 50)
    #expect(volume.files.descriptorCount <= 16)
  }
}

/// Every fifth call or so fails, the same ones for the same seed.
private final class RandomFaults: Sendable {
  private let generator: Mutex<SeededGenerator>
  private let failures = Mutex(0)

  init(seed: UInt64) { generator = Mutex(SeededGenerator(seed: seed &+ 1000)) }

  var count: Int { failures.withLock { $0 } }

  func next(_ call: UnderFileSystemCall) -> Errno? {
    let fails = generator.withLock { Int.random(in: 0..<5, using: &$0) == 0 }
    if fails { failures.withLock { $0 += 1 } }
    return fails ? .ioError : nil
  }
}
