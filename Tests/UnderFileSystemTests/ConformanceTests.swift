import Glibc
import SystemPackage
import TestSupport
import Testing
import UnderFileSystem

/// What every under file system must do alike; each test runs on each implementation.
@Suite("conformance of under file systems", .requiresRoot)
struct ConformanceTests {
  @Test("an empty file system has an empty root directory", arguments: Subject.allCases)
  func emptyRoot(subject: Subject) throws {
    try subject.run { ufs throws in
      #expect(try ufs.root.attributes().isDirectory)
      #expect(try ufs.root.names() == [])
      #expect(throws: Errno.noSuchFileOrDirectory) { try ufs.root.lookup("x") }
      #expect(try ufs.statistics().blocks > 0)
    }
  }

  @Test("a prepared object is invisible until it is placed, and gone when it never is", arguments: Subject.allCases)
  func twoSteps(subject: Subject) throws {
    try subject.run { ufs throws in
      let special = NewObject.special(mode: S_IFIFO | 0o600, device: 0)
      for object in subject.objects + (subject.capabilities.contains(.specialFiles) ? [special] : []) {
        do {
          let prepared = try ufs.root.prepare(object, named: "x", token: 1, for: Creator(caller: root))
          #expect(try ufs.root.names() == [])
          #expect(throws: Errno.noSuchFileOrDirectory) { try ufs.root.lookup("x") }
          withExtendedLifetime(prepared) {}
        }
        #expect(try ufs.root.names() == [])
        let prepared = try ufs.root.prepare(object, named: "x", token: 1, for: Creator(caller: root))
        let identity = prepared.identity
        let made = try prepared.place()
        #expect(made.identity == identity)
        #expect(try ufs.root.lookup("x").node.identity == identity)
        if subject.capabilities.contains(.inodes) {
          #expect(made.attributes.linkCount == (made.attributes.isDirectory ? 2 : 1))
        }
        try ufs.root.remove("x", directory: made.attributes.isDirectory, caller: root)
      }
    }
  }

  @Test("placing on a name that somebody took meanwhile is EEXIST and touches nothing", arguments: Subject.allCases)
  func placeOnTaken(subject: Subject) throws {
    try subject.run { ufs throws in
      for object in subject.objects {
        let prepared = try ufs.root.prepare(object, named: "x", token: 7, for: Creator(caller: root))
        let taken = try ufs.root.makeFile("x", "mine")
        #expect(throws: Errno.fileExists) { try prepared.place() }
        #expect(try taken.content() == "mine")
        try ufs.root.remove("x", directory: false, caller: root)
      }
      #expect(try ufs.root.names() == [])
    }
  }

  @Test("identities find nodes whatever they are called, until they are gone", arguments: Subject.allCases)
  func identities(subject: Subject) throws {
    try subject.run { ufs throws in
      let node = try ufs.root.makeFile("a", "content")
      guard let identity = node.identity else {
        #expect(!subject.hasIdentities)
        return
      }
      try ufs.root.rename("a", to: ufs.root, named: "b", flags: [], caller: root)
      #expect(try ufs.node(identity).content() == "content")
      #expect(try ufs.root.lookup("b").node.identity == identity)
      let other = try ufs.root.makeFile("a")
      #expect(other.identity != identity)
    }
  }

  @Test(
    "a fingerprint is an object's from its preparation on, whatever it is called, and no other's",
    arguments: Subject.all(with: .inodes))
  func fingerprints(subject: Subject) throws {
    try subject.run { ufs throws in
      let objects: [NewObject] = [.file(mode: 0o644), .directory(mode: 0o755), .symlink(target: [0x61])]
      var seen: [NodeIdentity] = []
      for object in objects + objects {
        let prepared = try ufs.root.prepare(object, named: "x", token: 3, for: Creator(caller: root))
        let fingerprint = try prepared.fingerprint()
        let isDirectory = try prepared.place().attributes.isDirectory
        #expect(try ufs.root.fingerprint(of: "x") == fingerprint)
        try ufs.root.rename("x", to: ufs.root, named: "y", flags: [], caller: root)
        #expect(try ufs.root.lookup("y").node.fingerprint() == fingerprint)
        #expect(throws: Errno.noSuchFileOrDirectory) { try ufs.root.fingerprint(of: "x") }
        #expect(!seen.contains(fingerprint), "an inode number that is used again is taken for the same object")
        seen.append(fingerprint)
        try ufs.root.remove("y", directory: isDirectory, caller: root)
      }
      #expect(throws: Errno.invalidArgument) { try ufs.root.fingerprint(of: "..") }
    }
  }

  @Test("the identity of a removed node is stale", arguments: Subject.allCases)
  func staleIdentity(subject: Subject) throws {
    try subject.run { ufs throws in
      guard let identity = try ufs.root.makeFile("a").identity else { return }
      try ufs.root.remove("a", directory: false, caller: root)
      #expect(throws: Errno.staleNFSFileHandle) { try ufs.node(identity) }
    }
  }

  @Test("reads and writes at any offset, holes read as zero", arguments: Subject.allCases)
  func content(subject: Subject) throws {
    try subject.run { ufs throws in
      let made = try ufs.root.make(.file(mode: 0o644), "f").file
      let file = try #require(made)
      #expect(try file.read() == [])
      #expect(try file.write([1, 2, 3], at: 5) == 3)
      #expect(try file.read() == [0, 0, 0, 0, 0, 1, 2, 3])
      #expect(try file.read(2, at: 6) == [2, 3])
      #expect(try file.read(10, at: 7) == [3])
      #expect(try file.read(10, at: 8) == [])
      #expect(try file.write([9], at: 0) == 1)
      #expect(try file.attributes().size == 8)
      #expect(throws: Errno.invalidArgument) { try file.write([1], at: -1) }
      try file.truncate(to: 2)
      #expect(try file.read() == [9, 0])
      try file.truncate(to: 4)
      #expect(try file.read() == [9, 0, 0, 0])
      try file.synchronize()
      try file.flush()
    }
  }

  @Test("an open file outlives its last name", arguments: Subject.all(with: .namelessFiles))
  func unlinkedOpen(subject: Subject) throws {
    try subject.run { ufs throws in
      let file = try ufs.root.makeFile("f", "here").open(.readWrite, caller: root)
      try ufs.root.remove("f", directory: false, caller: root)
      #expect(try file.read() == Array("here".utf8))
      #expect(try file.write([1]) == 1)
      #expect(try file.attributes().linkCount == 0)
    }
  }

  @Test("links share a file and count", arguments: Subject.all(with: .links))
  func links(subject: Subject) throws {
    try subject.run { ufs throws in
      let node = try ufs.root.makeFile("a", "x")
      let directory = try ufs.root.makeDirectory("d")
      try directory.link(node, named: "b", caller: root)
      #expect(try node.attributes().linkCount == 2)
      #expect(try directory.lookup("b").attributes.inode == (try node.attributes()).inode)
      #expect(throws: Errno.fileExists) { try directory.link(node, named: "b", caller: root) }
      #expect(throws: Errno.notPermitted) { try ufs.root.link(directory, named: "e", caller: root) }
      try ufs.root.remove("a", directory: false, caller: root)
      #expect(try node.attributes().linkCount == 1)
    }
  }

  @Test("removal tells files from directories", arguments: Subject.all(with: .directories))
  func removal(subject: Subject) throws {
    try subject.run { ufs throws in
      try ufs.root.makeFile("f")
      let directory = try ufs.root.makeDirectory("d")
      try directory.makeFile("x")
      #expect(throws: Errno.isDirectory) { try ufs.root.remove("d", directory: false, caller: root) }
      #expect(throws: Errno.notDirectory) { try ufs.root.remove("f", directory: true, caller: root) }
      #expect(throws: Errno.directoryNotEmpty) { try ufs.root.remove("d", directory: true, caller: root) }
      #expect(throws: Errno.noSuchFileOrDirectory) { try ufs.root.remove("g", directory: true, caller: root) }
      try directory.remove("x", directory: false, caller: root)
      try ufs.root.remove("d", directory: true, caller: root)
      #expect(throws: Errno.noSuchFileOrDirectory) { try directory.make(.file(mode: 0o644), "y") }
      #expect(try ufs.root.names() == ["f"])
    }
  }

  @Test("rename replaces, refuses, exchanges as its flags say", arguments: Subject.all(with: .exchange))
  func renames(subject: Subject) throws {
    try subject.run { ufs throws in
      let r = ufs.root
      let a = try r.makeFile("a", "a").attributes().inode
      let b = try r.makeFile("b", "b").attributes().inode
      let d = try r.makeDirectory("d")
      let e = try r.makeDirectory("e")
      #expect(throws: Errno.fileExists) { try r.rename("a", to: r, named: "b", flags: .noReplace, caller: root) }
      try r.rename("a", to: r, named: "b", flags: .exchange, caller: root)
      #expect(try r.lookup("a").attributes.inode == b)
      try r.rename("b", to: d, named: "c", flags: .noReplace, caller: root)
      #expect(try d.lookup("c").attributes.inode == a)
      #expect(throws: Errno.isDirectory) { try r.rename("a", to: r, named: "d", flags: [], caller: root) }
      #expect(throws: Errno.notDirectory) { try r.rename("d", to: r, named: "a", flags: [], caller: root) }
      #expect(throws: Errno.directoryNotEmpty) { try r.rename("e", to: r, named: "d", flags: [], caller: root) }
      #expect(throws: Errno.invalidArgument) { try r.rename("d", to: d, named: "x", flags: [], caller: root) }
      #expect(throws: Errno.noSuchFileOrDirectory) { try r.rename("x", to: r, named: "y", flags: [], caller: root) }
      try r.rename("d", to: e, named: "d", flags: [], caller: root)
      #expect(try e.lookup("d").node.lookup("c").attributes.inode == a)
      #expect(try r.attributes().linkCount == 3)
      #expect(try e.attributes().linkCount == 3)
    }
  }

  @Test("a file that is renamed keeps its content, replaces a file and no other", arguments: Subject.allCases)
  func renamedFiles(subject: Subject) throws {
    try subject.run { ufs throws in
      let r = ufs.root
      let a = try r.makeFile("a", "a")
      try r.makeFile("b", "b")
      #expect(throws: Errno.fileExists) { try r.rename("a", to: r, named: "b", flags: .noReplace, caller: root) }
      try r.rename("a", to: r, named: "c", flags: .noReplace, caller: root)
      #expect(throws: Errno.noSuchFileOrDirectory) { try r.lookup("a") }
      #expect(try r.lookup("c").node.content() == "a")
      try r.rename("c", to: r, named: "b", flags: [], caller: root)
      #expect(try r.names() == ["b"])
      #expect(try r.lookup("b").node.content() == "a")
      if subject != .localWithoutHandles { #expect(try a.content() == "a") }
      try r.rename("b", to: r, named: "b", flags: [], caller: root)
      #expect(try r.lookup("b").node.content() == "a")
      #expect(throws: Errno.noSuchFileOrDirectory) { try r.rename("x", to: r, named: "y", flags: [], caller: root) }
    }
  }

  @Test(
    "a directory that is renamed takes along what lies in it, replaces an empty one and goes not into itself",
    arguments: Subject.all(with: .directories))
  func renamedDirectories(subject: Subject) throws {
    try subject.run { ufs throws in
      let r = ufs.root
      let d = try r.makeDirectory("d")
      try d.makeFile("f", "f")
      try d.makeDirectory("s").makeFile("g", "g")
      _ = try r.makeDirectory("e")
      try r.makeFile("x", "x")
      #expect(throws: Errno.isDirectory) { try r.rename("x", to: r, named: "d", flags: [], caller: root) }
      #expect(throws: Errno.notDirectory) { try r.rename("d", to: r, named: "x", flags: [], caller: root) }
      #expect(throws: Errno.directoryNotEmpty) { try r.rename("e", to: r, named: "d", flags: [], caller: root) }
      #expect(throws: Errno.fileExists) { try r.rename("d", to: r, named: "e", flags: .noReplace, caller: root) }
      #expect(throws: Errno.invalidArgument) { try r.rename("d", to: d, named: "y", flags: [], caller: root) }
      try r.rename("d", to: r, named: "e", flags: [], caller: root)
      #expect(throws: Errno.noSuchFileOrDirectory) { try r.lookup("d") }
      let e = try r.lookup("e").node
      #expect(try e.lookup("f").node.content() == "f")
      #expect(try e.lookup("s").node.lookup("g").node.content() == "g")
      try r.rename("x", to: try e.lookup("s").node, named: "g", flags: [], caller: root)
      #expect(try e.lookup("s").node.lookup("g").node.content() == "x")
      #expect(try r.names() == ["e"])
      #expect(Set(try e.names()) == ["f", "s"])
    }
  }

  @Test("a listing goes on at a cookie, while entries come and go", arguments: Subject.allCases)
  func listing(subject: Subject) throws {
    try subject.run { ufs throws in
      let all = subject.many
      for index in 0..<all { try ufs.root.makeFile(FileName(bytes: "f\(index)".utf8)) }
      var cookie: UInt64 = 0
      var first: Set<FileName> = []
      var count = 0
      let end = try ufs.root.list(from: 0).forEach { (name, _, _, next) throws(Errno) in
        if count == all / 3 { return false }
        count += 1
        cookie = next
        first.insert(FileName(bytes: (0..<name.count - 1).map { name[$0] }))
        return true
      }
      #expect(!end)
      let removed = first.filter { $0 != "." && $0 != ".." }.prefix(all / 15)
      for name in removed { try ufs.root.remove(name, directory: false, caller: root) }
      let rest = try ufs.root.names(from: cookie)
      #expect(Set(rest).isDisjoint(with: first))
      #expect(Set(rest).count == rest.count)
      #expect(rest.count + first.subtracting([".", ".."]).count == all)
    }
  }

  @Test("attributes change together and apart", arguments: Subject.all(with: .owners))
  func attributes(subject: Subject) throws {
    try subject.run { ufs throws in
      let node = try ufs.root.makeFile("f", "12345")
      let open = try node.set { $0.mode = 0o6755 }
      #expect(open.mode == FileType.regular | 0o6755)
      let changed = try node.set {
        $0.uid = 1
        $0.gid = 2
      }
      #expect(changed.uid == 1)
      #expect(changed.gid == 2)
      #expect(changed.mode & 0o7777 == 0o755)
      let short = try node.set { $0.size = 2 }
      #expect(short.size == 2)
      let old = try node.set { $0.modificationTime = .at(5) }
      #expect(old.modificationTime == 5)
      _ = try node.set { $0.mode = 0o4755 }
      let truncated = try node.set {
        $0.size = 0
        $0.killPrivileges = true
      }
      #expect(truncated.mode & 0o7777 == 0o755)
      let directory = try ufs.root.makeDirectory("d")
      #expect(throws: Errno.isDirectory) { try directory.set { $0.size = 0 } }
      #expect(throws: Errno.isDirectory) { try directory.open(.read, caller: root) }
    }
  }

  @Test("symlinks hold any bytes", arguments: Subject.all(with: .symlinks))
  func symlinks(subject: Subject) throws {
    try subject.run { ufs throws in
      let target: [UInt8] = [0xFF, 0x2F, 0x2E, 0x2E, 0x0A]
      try ufs.root.make(.symlink(target: target), "s")
      let node = try ufs.root.lookup("s").node
      #expect(try node.readLink() == target)
      #expect(try node.attributes().size == 5)
      #expect(throws: Errno.tooManySymbolicLinkLevels) { try node.open(.read, caller: root) }
      #expect(throws: Errno.notDirectory) { try node.lookup("x") }
    }
  }

  @Test("extended attributes are set, replaced, listed and removed", arguments: Subject.all(with: .extendedAttributes))
  func extendedAttributes(subject: Subject) throws {
    try subject.run { ufs throws in
      let node = try ufs.root.makeFile("f")
      try node.setExtendedAttribute("user.a", to: [1, 0, 2], flags: .create, caller: root)
      #expect(try node.extendedAttribute("user.a") == [1, 0, 2])
      #expect(throws: Errno.fileExists) {
        try node.setExtendedAttribute("user.a", to: [], flags: .create, caller: root)
      }
      #expect(throws: Errno.noData) {
        try node.setExtendedAttribute("user.b", to: [], flags: .replace, caller: root)
      }
      #expect(try node.extendedAttributeNames() == Array("user.a\0".utf8))
      try node.removeExtendedAttribute("user.a", caller: root)
      #expect(throws: Errno.noData) { try node.removeExtendedAttribute("user.a", caller: root) }
    }
  }

  @Test("space is allocated and given back, data and holes are found", arguments: Subject.all(with: .allocation))
  func space(subject: Subject) throws {
    try subject.run { ufs throws in
      let made = try ufs.root.make(.file(mode: 0o644), "f").file
      let file = try #require(made)
      try file.allocate(mode: 0, offset: 0, length: 10_000)
      #expect(try file.attributes().size == 10_000)
      try file.allocate(mode: 1, offset: 0, length: 20_000)
      #expect(try file.attributes().size == 10_000)
      try file.write([UInt8](repeating: 1, count: 10_000))
      try file.allocate(mode: 3, offset: 0, length: 4096)
      #expect(try file.read(10) == [UInt8](repeating: 0, count: 10))
      #expect(try file.read(1, at: 4096) == [1])
      #expect(try file.seek(to: 5000, whence: 3) == 5000)
      #expect(try file.seek(to: 5000, whence: 4) == 10_000)
      #expect(throws: Errno.noSuchAddressOrDevice) { try file.seek(to: 10_000, whence: 3) }
    }
  }

  @Test("a range is copied within a file system", arguments: Subject.allCases)
  func copies(subject: Subject) throws {
    try subject.run { ufs throws in
      let source = try ufs.root.makeFile("a", "0123456789").open(.read, caller: root)
      let made = try ufs.root.make(.file(mode: 0o644), "b").file
      let target = try #require(made)
      #expect(try target.copy(from: source, at: 3, to: 1, length: 4) == 4)
      #expect(try target.read() == [0] + Array("3456".utf8))
      #expect(try target.copy(from: source, at: 10, to: 1, length: 4) == 0)
    }
  }

  @Test("names that lead elsewhere are refused", arguments: Subject.allCases)
  func badNames(subject: Subject) throws {
    try subject.run { ufs throws in
      for name: FileName in ["", ".", "..", "a/b"] {
        #expect(throws: Errno.invalidArgument) { try ufs.root.lookup(name) }
        #expect(throws: Errno.invalidArgument) { try ufs.root.make(.file(mode: 0o644), name) }
        #expect(throws: Errno.invalidArgument) { try ufs.root.remove(name, directory: true, caller: root) }
      }
      #expect(throws: Errno.notPermitted) { try ufs.root.make(.file(mode: 0o644), HiddenName.ownerMarker) }
    }
  }
}

@Suite("injected faults")
struct FaultTests {
  @Test("each kind of call fails with the injected error and changes nothing", arguments: UnderFileSystemCall.allCases)
  func everyCall(call: UnderFileSystemCall) throws {
    let base = InMemoryFileSystem()
    let faulty = FaultyFileSystem(base) { $0 == call ? .ioError : nil }
    try base.root.makeFile("f", "content")
    var failures = 0
    func attempt(_ body: () throws -> Void) {
      do { try body() } catch { if error as? Errno == .ioError { failures += 1 } }
    }
    let known = try base.root.lookup("f").node.identity
    let identity = try #require(known)
    attempt { _ = try faulty.node(identity) }
    attempt { _ = try faulty.statistics() }
    attempt { _ = try faulty.root.fingerprint(of: "f") }
    attempt { _ = try faulty.root.attributes() }
    attempt { _ = try faulty.root.setAttributes(AttributeChange(), caller: root) }
    attempt { _ = try faulty.root.readLink() }
    attempt { _ = try faulty.root.list(from: 0) }
    attempt { try faulty.root.synchronize() }
    attempt { _ = try faulty.root.extendedAttribute("user.x") }
    attempt { _ = try faulty.root.extendedAttributeNames() }
    attempt { try faulty.root.make(.file(mode: 0o600), "g") }
    attempt { try faulty.root.link(try faulty.root.lookup("f").node, named: "h", caller: root) }
    attempt { try faulty.root.rename("f", to: faulty.root, named: "f", flags: [], caller: root) }
    attempt { try faulty.root.remove("nothing", directory: false, caller: root) }
    attempt {
      let file = try faulty.root.lookup("f").node.open(.readWrite, caller: root)
      attempt { _ = try file.attributes() }
      attempt { _ = try file.read() }
      attempt { try file.write([1]) }
      attempt { try file.truncate(to: 7) }
      attempt { try file.allocate(mode: 1, offset: 0, length: 1) }
      attempt { _ = try file.seek(to: 0, whence: 3) }
      attempt { _ = try file.copy(from: file, at: 0, to: 7, length: 0) }
      attempt { try file.flush() }
      attempt { try file.synchronize() }
    }
    #expect(failures > 0)
    if call == .place || call == .prepare {
      #expect(throws: Errno.noSuchFileOrDirectory) { try base.root.lookup("g") }
    }
  }
}
