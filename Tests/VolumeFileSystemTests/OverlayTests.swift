import Glibc
import LinuxSystem
import SystemPackage
import TestSupport
import Testing
import UnderFileSystem
import VolumeFileSystem
import VolumeModel

@Suite("an under file system without file handles", .requiresRoot)
struct OverlayTests {
  @Test("overlayfs is noticed to have none, and serves files by parent and name")
  func overlay() async throws {
    try await PrivateMountNamespace.run {
      let parts = try TemporaryDirectory("overlay", beneath: "/dev/shm")
      for name in ["lower", "upper", "work", "merged"] { try parts.makeDirectory(name) }
      try parts.write("below", to: "lower/old")
      let options =
        "lowerdir=\(parts.path)/lower,upperdir=\(parts.path)/upper,workdir=\(parts.path)/work,nfs_export=off,index=off"
      try Syscall.once { mount("overlay", parts.appending("merged"), "overlay", 0, options) }
      let root = try Descriptor.open(parts.appending("merged"), O_RDONLY | O_DIRECTORY)
      let local = try LocalFileSystem(root: root)
      #expect(!local.usesHandles)
      let state = try Memfd.create(name: "test", byteCount: SharedStateLayout.size(maxNodes: 64))
      try state.writeAll(SharedStateLayout.header(maxNodes: 64, initRequest: [], initReply: []) ?? [])
      try Memfd.seal(state, .shrink)
      let files = try VolumeFileSystem(
        underFileSystem: local, state: try SharedState(descriptor: state), options: WorkerOptions())
      let old = try files.lookup("old", in: rootNode)
      #expect(try files.content(old.node) == Array("below".utf8))
      let directory = try files.makeDirectory("d", in: rootNode, mode: 0o755, caller: rootCaller)
      let new = try files.makeFile("new", in: directory.node, Array("above".utf8), caller: caller(1000, 1000))
      _ = new
      try files.rename("old", in: rootNode, to: "moved", in: directory.node, flags: [], caller: rootCaller)
      #expect(try files.content(old.node) == Array("below".utf8))
      #expect(Set(try files.names(directory.node)) == ["new", "moved"])
    }
  }

  @Test("a file that somebody else replaces is another node at the next lookup")
  func replaced() throws {
    let volume = try Volume(useHandles: false)
    let first = try volume.files.makeFile("f", Array("one".utf8))
    try volume.directory.write("two", to: "g")
    rename(volume.path("g"), volume.path("f"))
    let second = try volume.files.lookup("f", in: rootNode)
    #expect(second.node != first.node)
    #expect(try volume.files.content(second.node) == Array("two".utf8))
  }

  @Test("a node whose parent's number stands for another directory now is stale, not somebody else's file")
  func reusedParent() throws {
    let volume = try Volume(useHandles: false)
    let directory = try volume.files.makeDirectory("d", in: rootNode, mode: 0o755, caller: rootCaller)
    let file = try volume.files.makeFile("f", in: directory.node, Array("mine".utf8))
    volume.files.forget(directory.node, 1)
    let other = try volume.files.makeDirectory("e", in: rootNode, mode: 0o755, caller: rootCaller)
    #expect(other.node == directory.node)
    try volume.files.makeFile("f", in: other.node, Array("other".utf8))
    try volume.restart()
    #expect(throws: Errno.staleNFSFileHandle) { try volume.files.content(file.node) }
  }
}
