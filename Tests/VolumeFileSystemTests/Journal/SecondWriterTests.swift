import Glibc
import SystemPackage
import TestSupport
import Testing
import UnderFileSystem
import VolumeFileSystem

/// Somebody else who changes the under file system between a worker's death and the repetition of its request.
@Suite("a second writer between the crash and the repetition", .requiresRoot)
struct SecondWriterTests {
  private typealias Making = @Sendable (VolumeFileSystem, RequestID) throws(Errno) -> Entry

  private static let making: [(name: String, operation: Making)] = [
    (
      "mkdir",
      { (files, request) throws(Errno) in
        try files.makeDirectory("n", in: rootNode, mode: 0o755, caller: rootCaller, request: request)
      }
    ),
    (
      "create",
      { (files, request) throws(Errno) in
        try files.create(
          "n", in: rootNode, mode: 0o644, flags: O_RDWR | O_EXCL, caller: rootCaller, request: request
        ).entry
      }
    ),
    (
      "symlink",
      { (files, request) throws(Errno) in
        try files.makeSymlink("n", in: rootNode, target: [0x74], caller: rootCaller, request: request)
      }
    ),
    (
      "mknod",
      { (files, request) throws(Errno) in
        try files.makeNode("n", in: rootNode, mode: 0o010644, device: 0, caller: rootCaller, request: request)
      }
    ),
  ]

  /// Makes what the worker was about to make, byte for byte.
  private static func imitate(_ making: String, in root: any UnderNode, _ name: FileName = "n") throws(Errno) {
    let object: NewObject =
      switch making {
      case "mkdir": .directory(mode: 0o755)
      case "create": .file(mode: 0o644)
      case "symlink": .symlink(target: [0x74])
      default: .special(mode: 0o010644, device: 0)
      }
    _ = try root.prepare(object, named: name, token: .random(in: .min ... .max), for: Creator(caller: rootCaller))
      .place()
  }

  @Test("of two who make the same name with O_EXCL one succeeds, whenever the worker dies", arguments: Ground.allCases)
  func exclusive(ground: Ground) throws {
    for (name, operation) in Self.making {
      // Making takes no name away, and so gives nothing to custody.
      for point in CrashPoint.allCases where point != .afterCustody {
        let volume = try MortalVolume(ground)
        var foreign: Result<Void, Errno>?
        let answer = try volume.perform(
          dyingAt: [point],
          meanwhile: { root in
            do throws(Errno) { foreign = .success(try Self.imitate(name, in: root)) } catch {
              foreign = .failure(error)
            }
          }, operation)
        let isPlaced = ![CrashPoint.beforeIntent, .afterIntent].contains(point)
        switch (answer, foreign) {
        case (.success, .failure(.fileExists)): #expect(isPlaced, "\(name): \(point)")
        case (.failure(.fileExists), .success): #expect(!isPlaced, "\(name): \(point)")
        default: Issue.record("\(name): \(point): \(answer), \(String(describing: foreign))")
        }
      }
    }
  }

  @Test("what somebody else made in the place of a new object is not taken for it", arguments: Ground.allCases)
  func replaced(ground: Ground) throws {
    for (name, operation) in Self.making {
      let volume = try MortalVolume(ground)
      let answer = try volume.perform(
        dyingAt: [.afterApply],
        meanwhile: { root in
          try root.remove("n", directory: name == "mkdir", caller: rootCaller)
          try Self.imitate(name, in: root)
        }, operation)
      #expect(throws: Errno.fileExists, "\(name)") { try answer.get() }
    }
  }

  @Test("what somebody else puts under a removed name stays", arguments: Ground.allCases)
  func removed(ground: Ground) throws {
    for point in CrashPoint.allCases {
      for isDirectory in [true, false] {
        let volume = try MortalVolume(ground)
        if isDirectory {
          try volume.files.makeDirectory("n", in: rootNode, mode: 0o755, caller: rootCaller)
        } else {
          try volume.files.makeFile("n")
        }
        let answer = try volume.perform(
          dyingAt: [point],
          meanwhile: { root in
            try? root.remove("n", directory: isDirectory, caller: rootCaller)
            try Self.imitate(isDirectory ? "mkdir" : "create", in: root)
          }
        ) { (files, request) throws(Errno) in
          if isDirectory {
            try files.removeDirectory("n", in: rootNode, caller: rootCaller, request: request)
          } else {
            try files.unlink("n", in: rootNode, caller: rootCaller, request: request)
          }
        }
        #expect(throws: Never.self, "\(point)") { try answer.get() }
        // Before its intent the worker has promised nothing: the request comes as if for the first time.
        #expect(try volume.files.exists("n") == (volume.deaths > 0 && point != .beforeIntent), "\(point)")
      }
    }
  }

  @Test("who moves a renamed file on does not make the rename fail, nor be done again", arguments: Ground.allCases)
  func renamed(ground: Ground) throws {
    for point in [CrashPoint.afterApply, .afterDone] {
      let volume = try MortalVolume(ground)
      try volume.files.makeFile("old", [1])
      let answer = try volume.perform(
        dyingAt: [point],
        meanwhile: { root in
          try root.rename("new", to: root, named: "taken", flags: [], caller: rootCaller)
          try Self.imitate("create", in: root, "old")
        }
      ) { (files, request) throws(Errno) in
        try files.rename(
          "old", in: rootNode, to: "new", in: rootNode, flags: [], caller: rootCaller, request: request)
      }
      #expect(throws: Never.self) { try answer.get() }
      #expect(try volume.files.names().map(\.description).sorted() == ["old", "taken"])
    }
  }

  @Test("a rename that was not done is done on what is there, and fails as it would have", arguments: Ground.allCases)
  func notRenamed(ground: Ground) throws {
    let volume = try MortalVolume(ground)
    try volume.files.makeFile("old", [1])
    try volume.files.makeFile("new", [2])
    let answer = try volume.perform(
      dyingAt: [.afterIntent], meanwhile: { try $0.remove("old", directory: false, caller: rootCaller) }
    ) { (files, request) throws(Errno) in
      try files.rename("old", in: rootNode, to: "new", in: rootNode, flags: [], caller: rootCaller, request: request)
    }
    #expect(throws: Errno.noSuchFileOrDirectory) { try answer.get() }
    #expect(try volume.files.names() == ["new"])
  }

  @Test("an exchange is not turned back, also when somebody takes one of the two away", arguments: Ground.allCases)
  func exchanged(ground: Ground) throws {
    for gone in ["a", "b"] as [FileName] {
      let volume = try MortalVolume(ground)
      let first = try volume.files.makeFile("a", [1]).attributes.inode
      let second = try volume.files.makeFile("b", [2]).attributes.inode
      let answer = try volume.perform(
        dyingAt: [.afterApply], meanwhile: { try $0.remove(gone, directory: false, caller: rootCaller) }
      ) { (files, request) throws(Errno) in
        try files.rename(
          "a", in: rootNode, to: "b", in: rootNode, flags: .exchange, caller: rootCaller, request: request)
      }
      #expect(throws: Never.self) { try answer.get() }
      let left: FileName = gone == "a" ? "b" : "a"
      #expect(try volume.files.lookup(left, in: rootNode).attributes.inode == (gone == "a" ? first : second))
      #expect(try volume.files.names() == [left])
    }
  }

  @Test("an attribute that somebody else sets with another value is EEXIST for who creates it")
  func attribute() throws {
    let volume = try MortalVolume(.handles)
    let node = try volume.files.makeFile("f").node
    let answer = try volume.perform(
      dyingAt: [.afterIntent],
      meanwhile: { root in
        try root.lookup("f").node.setExtendedAttribute("user.x", to: [2], flags: [], caller: rootCaller)
      }
    ) { (files, request) throws(Errno) in
      try files.setExtendedAttribute(
        "user.x", of: node, to: [1], flags: .create, caller: rootCaller, request: request)
    }
    #expect(throws: Errno.fileExists) { try answer.get() }
    #expect(try volume.files.extendedAttribute("user.x", of: node) == [2])
  }

  @Test("a value that somebody else sets where one was removed stays")
  func attributeSetAgain() throws {
    let volume = try MortalVolume(.handles)
    let node = try volume.files.makeFile("f").node
    try volume.files.setExtendedAttribute("user.x", of: node, to: [1], flags: [], caller: rootCaller)
    let answer = try volume.perform(
      dyingAt: [.afterApply],
      meanwhile: { root in
        try root.lookup("f").node.setExtendedAttribute("user.x", to: [2], flags: [], caller: rootCaller)
      }
    ) { (files, request) throws(Errno) in
      try files.removeExtendedAttribute("user.x", of: node, caller: rootCaller, request: request)
    }
    #expect(throws: Never.self) { try answer.get() }
    #expect(try volume.files.extendedAttribute("user.x", of: node) == [2])
  }
}
