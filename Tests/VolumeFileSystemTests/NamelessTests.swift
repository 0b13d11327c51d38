import Glibc
import LinuxSystem
import SystemPackage
import TestSupport
import Testing
import UnderFileSystem
import VolumeFileSystem

@Suite("what is in use and loses its last name", .requiresRoot)
struct NamelessTests {
  private func open(_ volume: Volume, _ name: FileName, _ content: String) throws -> (node: NodeID, handle: HandleID) {
    let (entry, open) = try volume.files.create(name, in: rootNode, mode: 0o600, flags: O_RDWR, caller: rootCaller)
    _ = try volume.files.write(entry.node, open.handle, Array(content.utf8))
    return (entry.node, open.handle)
  }

  @Test("an open file that is unlinked is read, written, cut and looked at by the next workers")
  func unlinked() throws {
    let volume = try Volume()
    let (node, handle) = try open(volume, "f", "0123456789")
    try volume.files.unlink("f", in: rootNode, caller: rootCaller)
    #expect(volume.custody.nodes == [node])
    for round in 1...3 {
      try volume.restart()
      #expect(try volume.files.read(node, handle, 4) == Array("0123".utf8))
      #expect(try volume.files.write(node, handle, [UInt8(round)], at: 5) == 1)
      let status = try volume.files.getAttributes(of: node, handle: handle).attributes
      #expect(status.linkCount == 0 && status.size == 10)
      try volume.files.synchronize(node, handle: handle)
    }
    #expect(try volume.files.read(node, handle, 10, at: 5) == [3] + Array("6789".utf8))
    var change = AttributeChange()
    change.size = 2
    _ = try volume.files.setAttributes(change, of: node, handle: handle, caller: rootCaller)
    try volume.restart()
    #expect(try volume.files.read(node, handle, 10) == Array("01".utf8))
    volume.files.release(node, handle: handle)
    #expect(volume.custody.nodes == [])
    try volume.restart()
    #expect(throws: Errno.staleNFSFileHandle) { try volume.files.getAttributes(of: node) }
  }

  @Test("so is one that another file is renamed over, and the other one is what the name shows")
  func replaced() throws {
    let volume = try Volume()
    let (node, handle) = try open(volume, "f", "old")
    try volume.files.makeFile("g", Array("new".utf8))
    try volume.files.rename("g", in: rootNode, to: "f", in: rootNode, flags: [], caller: rootCaller)
    try volume.restart()
    #expect(try volume.files.read(node, handle, 10) == Array("old".utf8))
    let entry = try volume.files.lookup("f", in: rootNode)
    #expect(entry.node != node)
    #expect(try volume.files.content(entry.node) == Array("new".utf8))
    volume.files.forget(node, 1)
    #expect(volume.custody.nodes == [])
  }

  @Test("an exchange takes no name away, and neither does a rename that is refused")
  func exchanged() throws {
    let volume = try Volume()
    let (first, second) = (try open(volume, "f", "f"), try open(volume, "g", "g"))
    try volume.files.rename("f", in: rootNode, to: "g", in: rootNode, flags: .exchange, caller: rootCaller)
    #expect(throws: Errno.fileExists) {
      try volume.files.rename("f", in: rootNode, to: "g", in: rootNode, flags: .noReplace, caller: rootCaller)
    }
    #expect(volume.custody.nodes == [])
    try volume.restart()
    #expect(try volume.files.read(first.node, first.handle, 1) == [0x66])
    #expect(try volume.files.read(second.node, second.handle, 1) == [0x67])
  }

  @Test("a directory that somebody may work in is looked at after its removal")
  func directory() throws {
    let volume = try Volume()
    let removed = try volume.files.makeDirectory("d", in: rootNode, mode: 0o755, caller: rootCaller).node
    let replaced = try volume.files.makeDirectory("e", in: rootNode, mode: 0o755, caller: rootCaller).node
    _ = try volume.files.makeDirectory("n", in: rootNode, mode: 0o755, caller: rootCaller)
    try volume.files.removeDirectory("d", in: rootNode, caller: rootCaller)
    try volume.files.rename("n", in: rootNode, to: "e", in: rootNode, flags: [], caller: rootCaller)
    #expect(volume.custody.nodes == [removed, replaced])
    try volume.restart()
    for node in [removed, replaced] {
      // As the kernel answers itself.
      #expect(throws: Errno.noSuchFileOrDirectory) { try volume.files.names(node) }
      #expect(try volume.files.getAttributes(of: node).attributes.linkCount == 0)
      #expect(throws: Errno.noSuchFileOrDirectory) { try volume.files.lookup("x", in: node) }
      #expect(throws: Errno.noSuchFileOrDirectory) {
        try volume.files.makeDirectory("x", in: node, mode: 0o755, caller: rootCaller)
      }
      volume.files.forget(node, 1)
    }
    #expect(volume.custody.nodes == [])
  }

  @Test("nobody holds what is closed, or was never there")
  func unused() throws {
    let volume = try Volume()
    try volume.files.makeFile("f")
    try volume.files.unlink("f", in: rootNode, caller: rootCaller)
    #expect(throws: Errno.noSuchFileOrDirectory) {
      try volume.files.unlink("f", in: rootNode, caller: rootCaller)
    }
    #expect(volume.custody.nodes == [])
  }

  @Test("of several opens the last one ends it, whichever worker sees it")
  func severalOpens() throws {
    let volume = try Volume()
    let (node, writer) = try open(volume, "f", "content")
    let reader = try volume.files.open(node, flags: O_RDONLY, caller: rootCaller).handle
    try volume.files.unlink("f", in: rootNode, caller: rootCaller)
    volume.files.release(node, handle: writer)
    #expect(volume.custody.nodes == [node])
    try volume.restart()
    #expect(try volume.files.read(node, reader, 7) == Array("content".utf8))
    volume.files.release(node, handle: reader)
    #expect(volume.custody.nodes == [])
  }

  @Test("a removal that fails costs nothing but a descriptor until the file is closed")
  func refused() throws {
    let volume = try Volume()
    let (node, handle) = try open(volume, "f", "x")
    try volume.directory.makeDirectory("d")
    #expect(throws: Errno.isDirectory) {
      try volume.files.rename("f", in: rootNode, to: "d", in: rootNode, flags: [], caller: rootCaller)
    }
    #expect(throws: Errno.notDirectory) { try volume.files.removeDirectory("f", in: rootNode, caller: rootCaller) }
    #expect(volume.custody.nodes == [node])
    volume.files.release(node, handle: handle)
    #expect(volume.custody.nodes == [])
  }

  @Test("an open and a removal at the same moment: what was opened is held")
  func race() async throws {
    let volume = try Volume()
    for round in 0..<400 {
      let node = try volume.files.makeFile("f", [1]).node
      let files = volume.files
      async let opened = OwnThread.run { try? files.open(node, flags: O_RDWR, caller: rootCaller).handle }
      async let removal: Void = OwnThread.run { try files.unlink("f", in: rootNode, caller: rootCaller) }
      let handle = try await opened
      try await removal
      #expect(volume.custody.nodes == (handle == nil ? [] : [node]), "round \(round)")
      if let handle { files.release(node, handle: handle) }
      files.forget(node, 1)
    }
    #expect(volume.custody.nodes == [])
  }

  @Test("a worker that dies at any step of the removal leaves the file to the next one", arguments: CrashPoint.allCases)
  func crash(point: CrashPoint) throws {
    for isRename in [false, true] {
      let volume = try MortalVolume(.handles)
      let (entry, open) = try volume.files.create("f", in: rootNode, mode: 0o600, flags: O_RDWR, caller: rootCaller)
      _ = try volume.files.write(entry.node, open.handle, [7, 7])
      try volume.files.makeFile("g")
      try volume.perform(dyingAt: [point, .afterApply]) { (files, request) throws(Errno) in
        if isRename {
          try files.rename("g", in: rootNode, to: "f", in: rootNode, flags: [], caller: rootCaller, request: request)
        } else {
          try files.unlink("f", in: rootNode, caller: rootCaller, request: request)
        }
      }.get()
      #expect(volume.custody.nodes == [entry.node], "\(point)")
      #expect(try volume.files.read(entry.node, open.handle, 10) == [7, 7], "\(point)")
      volume.files.release(entry.node, handle: open.handle)
      #expect(volume.custody.nodes == [], "\(point)")
    }
  }
}
