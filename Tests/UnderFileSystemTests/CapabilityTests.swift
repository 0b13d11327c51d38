import Glibc
import SystemPackage
import TestSupport
import Testing
import UnderFileSystem

/// What a subject says that it has not, it refuses: nothing is left out in silence.
@Suite("conformance of under file systems: what they do not have", .requiresRoot)
struct CapabilityTests {
  private static let lacking = Subject.allCases.filter { $0.capabilities.count < Subject.Capability.allCases.count }

  @Test("links, symlinks and devices are refused, and nothing is made", arguments: Self.lacking)
  func sorts(subject: Subject) throws {
    try subject.run { ufs throws in
      let file = try ufs.root.makeFile("f", "content")
      #expect(throws: Errno.notSupported) { try ufs.root.link(file, named: "g", caller: root) }
      for object in [NewObject.symlink(target: [0x61]), .special(mode: S_IFIFO | 0o600, device: 0)] {
        #expect(throws: Errno.notSupported) { try ufs.root.make(object, "g") }
      }
      #expect(throws: Errno.invalidArgument) { try file.readLink() }
      #expect(throws: Errno.notSupported) {
        try file.setExtendedAttribute("user.a", to: [1], flags: .create, caller: root)
      }
      #expect(throws: Errno.notSupported) { try file.extendedAttribute("user.a") }
      #expect(throws: Errno.notSupported) { try file.removeExtendedAttribute("user.a", caller: root) }
      #expect(try ufs.root.names() == ["f"])
      #expect(try file.content() == "content")
    }
  }

  @Test("owners, modes and times stay, and those that are there may be asked for", arguments: Self.lacking)
  func owners(subject: Subject) throws {
    try subject.run { ufs throws in
      let file = try ufs.root.makeFile("f", "12345")
      #expect(throws: Errno.notSupported) { try file.set { $0.mode = 0o600 } }
      #expect(throws: Errno.notSupported) { try file.set { $0.uid = 1 } }
      #expect(throws: Errno.notSupported) { try file.set { $0.modificationTime = .at(5) } }
      let same = try file.set {
        $0.mode = 0o644
        $0.uid = 0
        $0.gid = 0
      }
      #expect(same.size == 5)
      let short = try file.set { $0.size = 2 }
      #expect(short.size == 2)
      #expect(try file.content() == "12")
      let open = try file.open(.readWrite, caller: root)
      #expect(throws: Errno.notSupported) { try open.allocate(mode: 0, offset: 0, length: 10) }
      #expect(throws: Errno.notSupported) { try open.allocate(mode: 3, offset: 0, length: 1) }
      #expect(try open.seek(to: 1, whence: 3) == 1)
      #expect(try open.seek(to: 1, whence: 4) == 2)
      #expect(throws: Errno.noSuchAddressOrDevice) { try open.seek(to: 2, whence: 3) }
    }
  }

  @Test("names cannot be exchanged, and identities lead nowhere", arguments: Self.lacking)
  func exchange(subject: Subject) throws {
    try subject.run { ufs throws in
      let a = try ufs.root.makeFile("a", "a")
      let b = try ufs.root.makeFile("b", "b")
      #expect(throws: Errno.invalidArgument) {
        try ufs.root.rename("a", to: ufs.root, named: "b", flags: .exchange, caller: root)
      }
      #expect(try a.content() == "a")
      #expect(try b.content() == "b")
      #expect(a.identity == nil)
    }
  }

  /// What is not in the page store, which is not here.
  @Test("a file that was removed while it was open is stale to who reads it", arguments: Self.lacking)
  func removedWhileOpen(subject: Subject) throws {
    try subject.run { ufs throws in
      let file = try ufs.root.makeFile("f", "here").open(.read, caller: root)
      #expect(try file.read() == Array("here".utf8))
      try ufs.root.remove("f", directory: false, caller: root)
      #expect(throws: Errno.staleNFSFileHandle) { try file.read() }
      #expect(try file.attributes().linkCount == 0)
    }
  }

  @Test(
    "a directory that the store cannot keep is not there once nobody remembers it",
    arguments: Subject.allCases.filter { !$0.capabilities.contains(.directories) })
  func directories(subject: Subject) throws {
    try subject.run { ufs throws in
      try ufs.root.make(.directory(mode: 0o755), "d")
      // The server makes an empty file of the marker.
      #expect(try ufs.root.lookup("d").attributes.isRegular)
      #expect(try ufs.root.names() == ["d"])
      try ufs.root.remove("d", directory: false, caller: root)
      #expect(try ufs.root.names() == [])
    }
  }
}
