import Glibc
import SystemPackage
import TestSupport
import Testing
import UnderFileSystem
import VolumeFileSystem
import VolumeModel

@Suite("a volume over a local directory", .requiresRoot)
struct BasicTests {
  static let styles = [true, false]

  @Test("a file is created, written, read back, found by name and removed", arguments: styles)
  func lifeOfAFile(useHandles: Bool) throws {
    let volume = try Volume(useHandles: useHandles)
    let files = volume.files
    defer { withExtendedLifetime(volume) {} }
    let (entry, open) = try files.create(
      "hello", in: rootNode, mode: 0o640, flags: O_RDWR, caller: rootCaller)
    #expect(entry.attributes.mode == 0o100640)
    #expect(entry.attributes.linkCount == 1)
    #expect(try files.write(entry.node, open.handle, Array("world".utf8)) == 5)
    #expect(try files.read(entry.node, open.handle, 100) == Array("world".utf8))
    try files.flush(entry.node, handle: open.handle)
    try files.synchronize(entry.node, handle: open.handle)
    files.release(entry.node, handle: open.handle)
    let found = try files.lookup("hello", in: rootNode)
    #expect(found.node == entry.node)
    #expect(found.attributes.size == 5)
    try files.unlink("hello", in: rootNode, caller: rootCaller)
    #expect(throws: Errno.noSuchFileOrDirectory) { try files.lookup("hello", in: rootNode) }
    files.forget(entry.node, 2)
    #expect(files.descriptorCount == 0)
  }

  @Test("every kind of object is made under its name and nothing else is left", arguments: styles)
  func kinds(useHandles: Bool) throws {
    let volume = try Volume(useHandles: useHandles)
    let files = volume.files
    defer { withExtendedLifetime(volume) {} }
    let directory = try files.makeDirectory("d", in: rootNode, mode: 0o755, caller: rootCaller)
    #expect(directory.attributes.mode == 0o040755)
    let symlink = try files.makeSymlink("s", in: directory.node, target: Array("../..".utf8), caller: rootCaller)
    #expect(try files.readLink(symlink.node) == Array("../..".utf8))
    let pipe = try files.makeNode("p", in: directory.node, mode: S_IFIFO | 0o600, device: 0, caller: rootCaller)
    #expect(pipe.attributes.mode == S_IFIFO | 0o600)
    let device = try files.makeNode(
      "c", in: directory.node, mode: S_IFCHR | 0o600, device: 0x103, caller: rootCaller)
    #expect(device.attributes.device == 0x103)
    try files.makeFile("f", in: directory.node)
    #expect(Set(try files.names(directory.node)) == ["s", "p", "c", "f"])
    #expect(throws: Errno.fileExists) {
      try files.makeDirectory("s", in: directory.node, mode: 0o755, caller: rootCaller)
    }
    #expect(Set(try files.names(directory.node)) == ["s", "p", "c", "f"])
    #expect(throws: Errno.directoryNotEmpty) {
      try files.removeDirectory("d", in: rootNode, caller: rootCaller)
    }
  }

  @Test("hard links are one node", arguments: [true])
  func hardLinks(useHandles: Bool) throws {
    let volume = try Volume(useHandles: useHandles)
    let files = volume.files
    defer { withExtendedLifetime(volume) {} }
    let first = try files.makeFile("a", Array("x".utf8))
    let second = try files.link(first.node, as: "b", in: rootNode, caller: rootCaller)
    #expect(second.node == first.node)
    #expect(second.attributes.linkCount == 2)
    try files.unlink("a", in: rootNode, caller: rootCaller)
    #expect(try files.content(first.node) == Array("x".utf8))
    #expect(try files.lookup("b", in: rootNode).node == first.node)
  }

  @Test("a renamed file keeps its node", arguments: styles)
  func renames(useHandles: Bool) throws {
    let volume = try Volume(useHandles: useHandles)
    let files = volume.files
    defer { withExtendedLifetime(volume) {} }
    let directory = try files.makeDirectory("d", in: rootNode, mode: 0o755, caller: rootCaller)
    let file = try files.makeFile("a", Array("1".utf8))
    let other = try files.makeFile("b", in: directory.node, Array("2".utf8))
    #expect(throws: Errno.fileExists) {
      try files.rename("a", in: rootNode, to: "b", in: directory.node, flags: .noReplace, caller: rootCaller)
    }
    try files.rename("a", in: rootNode, to: "b", in: directory.node, flags: .exchange, caller: rootCaller)
    #expect(try files.lookup("b", in: directory.node).node == file.node)
    #expect(try files.lookup("a", in: rootNode).node == other.node)
    try files.rename("a", in: rootNode, to: "b", in: directory.node, flags: [], caller: rootCaller)
    #expect(try files.lookup("b", in: directory.node).node == other.node)
    #expect(try files.content(other.node) == Array("2".utf8))
    #expect(try !files.exists("a"))
  }
}
