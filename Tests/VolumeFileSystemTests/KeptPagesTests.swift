import Glibc
import SystemPackage
import Testing
import UnderFileSystem
import VolumeFileSystem

/// FOPEN_KEEP_CACHE. The file system in memory has a clock of its own that stands far in the past: its files have settled.
@Suite("pages that the kernel keeps from one open to the next")
struct KeptPagesTests {
  private let volume: VolumeInMemory
  private let file: Entry
  private var files: VolumeFileSystem { volume.files }

  init() throws {
    volume = try VolumeInMemory()
    file = try volume.files.makeFile("f", Array("before".utf8))
    // What the kernel sees when it looks the file up for the first open.
    _ = try volume.files.lookup("f", in: rootNode)
  }

  /// Opens, reads and closes, as cat(1) does. - Returns: whether pages of the open before could stay.
  private func readThrough(flags: Int32 = O_RDONLY) throws -> Bool {
    let open = try files.open(file.node, flags: flags, caller: rootCaller)
    defer { files.release(file.node, handle: open.handle) }
    _ = try files.read(file.node, open.handle, 100)
    return open.keepCache
  }

  @Test("of a file that has not changed they are kept, open after open")
  func unchanged() throws {
    for _ in 0..<3 { #expect(try readThrough()) }
    // A change of attributes that the kernel asked for itself is shown to it with the answer.
    _ = try files.getAttributes(of: file.node)
    #expect(try readThrough())
    #expect(try readThrough(flags: O_RDWR))
  }

  @Test("of a file that somebody else changed they go, and the new content is read")
  func changedBeside() throws {
    #expect(try readThrough())
    let other = try volume.base.root.lookup("f").node.open(.readWrite, caller: rootCaller)
    _ = try other.write(Array("AFTER!".utf8).span.bytes, at: 0, durability: .none)
    // Same size, same name: only the times tell.
    let open = try files.open(file.node, flags: O_RDONLY, caller: rootCaller)
    #expect(!open.keepCache)
    #expect(try files.read(file.node, open.handle, 100) == Array("AFTER!".utf8))
    files.release(file.node, handle: open.handle)
    // Until the kernel has seen the new attributes it may hold pages of the old content.
    #expect(try !readThrough())
    _ = try files.getAttributes(of: file.node)
    #expect(try readThrough())
  }

  @Test("of a file that was written through another open they go")
  func writtenHere() throws {
    #expect(try readThrough())
    let writer = try files.open(file.node, flags: O_RDWR, caller: rootCaller)
    _ = try files.write(file.node, writer.handle, Array("x".utf8), at: 6)
    #expect(try !readThrough())
    files.release(file.node, handle: writer.handle)
    #expect(try !readThrough())
  }

  @Test("of a file that takes the name of another they are its own: it is another node")
  func replaced() throws {
    #expect(try readThrough())
    try volume.base.root.remove("f", directory: false, caller: rootCaller)
    let made = try volume.base.root.prepare(.file(mode: 0o644), named: "f", token: 1, for: Creator(caller: rootCaller))
      .place()
    _ = try made.file?.write(Array("other".utf8).span.bytes, at: 0, durability: .none)
    let again = try files.lookup("f", in: rootNode)
    #expect(again.node != file.node)
    #expect(try files.content(again.node) == Array("other".utf8))
  }

  @Test("of a file that was just made there are none to keep")
  func created() throws {
    let (entry, open) = try files.create("new", in: rootNode, mode: 0o600, flags: O_RDWR, caller: rootCaller)
    #expect(!open.keepCache)
    files.release(entry.node, handle: open.handle)
  }

  @Test("of directories none are kept: their entries are not pages")
  func directories() throws {
    let open = try files.openDirectory(rootNode, flags: O_RDONLY)
    #expect(!open.keepCache)
    files.releaseDirectory(rootNode, handle: open.handle)
  }
}
