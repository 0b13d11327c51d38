import Glibc
import LinuxSystem
import SystemPackage
import TestSupport
import Testing
import UnderFileSystem

@Suite("directories of provisioned volumes")
struct VolumeDirectoriesTests {
  let base: TemporaryDirectory
  let directories: LocalVolumeDirectories

  init() throws {
    base = try TemporaryDirectory("provisioning")
    directories = LocalVolumeDirectories(base: try Descriptor.open(base.path, O_RDONLY | O_DIRECTORY))
  }

  private func names() throws -> [String] { try DirectoryNames.list(base.path).sorted() }

  @Test("a directory is made once, writable by any pod, and found again by its owner")
  func create() throws {
    #expect(try directories.createDirectory(named: "ns-claim-1", owner: "vol-1"))
    #expect(try !directories.createDirectory(named: "ns-claim-1", owner: "vol-1"))
    #expect(try names() == ["ns-claim-1"])
    #expect(try WholeFile.text(base.appending("ns-claim-1/.alluxio.volume")) == "vol-1")
    let status = try Descriptor.open(base.appending("ns-claim-1"), O_RDONLY).status()
    #expect(status.mode & 0o7777 == 0o777)
  }

  @Test("a directory with another volume's marker is refused for every call")
  func foreignMarker() throws {
    try directories.createDirectory(named: "shared", owner: "vol-1")
    let foreign = VolumeDirectoryError.foreignOwner(found: "vol-1")
    #expect(throws: foreign) { try directories.createDirectory(named: "shared", owner: "vol-2") }
    #expect(throws: foreign) { try directories.removeDirectory(named: "shared", owner: "vol-2") }
    #expect(throws: foreign) { try directories.archiveDirectory(named: "shared", owner: "vol-2") }
    #expect(try names() == ["shared"])
  }

  @Test("a directory without a marker is nobody's to take or delete")
  func noMarker() throws {
    try base.makeDirectory("data")
    try base.write("precious", to: "data/file")
    #expect(throws: VolumeDirectoryError.foreignOwner(found: nil)) {
      try directories.createDirectory(named: "data", owner: "vol-1")
    }
    #expect(throws: VolumeDirectoryError.foreignOwner(found: nil)) {
      try directories.removeDirectory(named: "data", owner: "vol-1")
    }
    #expect(try WholeFile.text(base.appending("data/file")) == "precious")
  }

  @Test("a marker that is a symlink to another volume's marker is no marker")
  func symlinkedMarker() throws {
    try directories.createDirectory(named: "mine", owner: "vol-1")
    try base.makeDirectory("other")
    symlink(base.appending("mine/.alluxio.volume"), base.appending("other/.alluxio.volume"))
    #expect(throws: VolumeDirectoryError.foreignOwner(found: nil)) {
      try directories.removeDirectory(named: "other", owner: "vol-1")
    }
  }

  @Test("a symlink or file in the place of the directory is refused")
  func notADirectory() throws {
    try base.makeDirectory("target")
    symlink("target", base.appending("link"))
    try base.write("", to: "file")
    for name: FileName in ["link", "file"] {
      #expect(throws: VolumeDirectoryError.notADirectory) {
        try directories.createDirectory(named: name, owner: "vol-1")
      }
      #expect(throws: VolumeDirectoryError.notADirectory) {
        try directories.removeDirectory(named: name, owner: "vol-1")
      }
    }
  }

  @Test("names that lead elsewhere or are hidden are refused", arguments: ["", ".", "..", "a/b", ".alluxio.tmp.x"])
  func badNames(text: String) {
    let name = FileName(bytes: text.utf8)
    #expect(throws: VolumeDirectoryError.badName(name)) {
      try directories.createDirectory(named: name, owner: "v")
    }
    #expect(throws: VolumeDirectoryError.badName(name)) {
      try directories.removeDirectory(named: name, owner: "v")
    }
  }

  @Test("removal takes the whole tree, follows no symlink, and may be repeated")
  func remove() throws {
    let outside = try TemporaryDirectory("outside")
    try outside.write("keep", to: "file")
    try directories.createDirectory(named: "v", owner: "vol-1")
    try base.makeDirectory("v/a")
    try base.makeDirectory("v/a/b")
    try base.makeDirectory("v/1")
    try base.write("x", to: "v/a/b/file")
    try base.write("x", to: "v/1/2")
    symlink(outside.path, base.appending("v/a/out"))
    symlink(outside.appending("file"), base.appending("v/out"))
    mkfifo(base.appending("v/pipe"), 0o600)
    try base.write("neighbour", to: "neighbour")
    try directories.removeDirectory(named: "v", owner: "vol-1")
    #expect(try names() == ["neighbour"])
    #expect(try WholeFile.text(outside.appending("file")) == "keep")
    try directories.removeDirectory(named: "v", owner: "vol-1")
  }

  @Test("a tree deeper than the descriptor limit is removed")
  func deepTree() throws {
    try directories.createDirectory(named: "v", owner: "vol-1")
    var directory = try Descriptor.open(base.appending("v"), O_RDONLY | O_DIRECTORY)
    for level in 0..<1100 {
      let name = Array("level\(level % 7)".utf8) + [0]
      try directory.makeDirectory(name: name, mode: 0o755)
      directory = try directory.open(name: name, O_RDONLY | O_DIRECTORY)
    }
    _ = consume directory
    try directories.removeDirectory(named: "v", owner: "vol-1")
    #expect(try names() == [])
  }

  /// A tree that a removal cannot finish: something in the middle of it is immutable. - Returns: that file.
  private func makeStubborn(_ name: String) throws -> String {
    for folder in ["", "/a", "/a/deep", "/b", "/b/deep", "/c", "/c/deep"] where !folder.isEmpty {
      try base.makeDirectory(name + folder)
      for index in 0..<20 { try base.write("x", to: "\(name)\(folder)/file\(index)") }
    }
    try base.makeDirectory("\(name)/b/deep/deeper")
    return try base.write("stays", to: "\(name)/b/deep/deeper/stubborn")
  }

  private func names(below name: String) -> [String] {
    let path = base.appending(name)
    return ((try? DirectoryNames.list(path)) ?? []).flatMap { [$0] + names(below: "\(name)/\($0)") }
  }

  @Test("a removal that stops midway leaves the volume out of sight, and the next one ends it", .requiresRoot)
  func interrupted() throws {
    try directories.createDirectory(named: "v", owner: "vol-1")
    let stubborn = try Descriptor.open(try makeStubborn("v"), O_RDONLY)
    try #require(try InodeFlags.setImmutable(true, on: stubborn))
    let error = #expect(throws: VolumeDirectoryError.self) {
      try directories.removeDirectory(named: "v", owner: "vol-1")
    }
    guard case .system(.notPermitted, _) = error else { return #expect(Bool(false), "\(error as Any)") }
    // Out of sight at one stroke; some of it is gone, the stubborn file and its way are not.
    let left = try names()
    let hidden = try #require(left.first)
    #expect(left.count == 1 && hidden.hasPrefix(".alluxio.tmp."))
    let rest = names(below: hidden)
    #expect(rest.contains("stubborn") && rest.count < 130)
    #expect(try WholeFile.text(stubborn.path()) == "stays")
    // Again: it stops at the same file, and loses nothing else.
    #expect(throws: VolumeDirectoryError.self) { try directories.removeDirectory(named: "v", owner: "vol-1") }
    #expect(names(below: hidden).contains("stubborn"))
    _ = try InodeFlags.setImmutable(false, on: stubborn)
    try directories.removeDirectory(named: "v", owner: "vol-1")
    #expect(try names() == [])
  }

  @Test("a volume that is made anew while its removal stands still is removed with what was left", .requiresRoot)
  func madeAnew() throws {
    try directories.createDirectory(named: "v", owner: "vol-1")
    let stubborn = try Descriptor.open(try makeStubborn("v"), O_RDONLY)
    try #require(try InodeFlags.setImmutable(true, on: stubborn))
    #expect(throws: VolumeDirectoryError.self) { try directories.removeDirectory(named: "v", owner: "vol-1") }
    #expect(try directories.createDirectory(named: "v", owner: "vol-1"))
    try base.write("new", to: "v/file")
    // A stubborn rest is in the way of the hidden name: the new directory stays as it is until the rest can go.
    #expect(throws: VolumeDirectoryError.self) { try directories.removeDirectory(named: "v", owner: "vol-1") }
    #expect(try WholeFile.text(base.appending("v/file")) == "new")
    _ = try InodeFlags.setImmutable(false, on: stubborn)
    try directories.removeDirectory(named: "v", owner: "vol-1")
    #expect(try names() == [])
  }

  @Test("a removal touches nobody else's hidden directory, and none of another owner of the name")
  func otherScratch() throws {
    let hidden = ".alluxio.tmp.d.4f"
    try base.makeDirectory(hidden)
    try base.makeDirectory("\(hidden)/rest")
    try directories.createDirectory(named: "w", owner: "vol-2")
    #expect(throws: VolumeDirectoryError.self) { try directories.removeDirectory(named: "w", owner: "vol-1") }
    try directories.removeDirectory(named: "w", owner: "vol-2")
    #expect(try names() == [hidden])
    #expect(try DirectoryNames.list(base.appending(hidden)) == ["rest"])
  }

  @Test("a directory of this volume that a create left half made does not stop the next attempt")
  func halfMade() throws {
    try directories.createDirectory(named: "v", owner: "vol-1")
    try directories.archiveDirectory(named: "v", owner: "vol-1")
    #expect(try directories.createDirectory(named: "v", owner: "vol-1"))
    #expect(try names() == ["archived-v", "v"])
  }

  @Test("archives of one name get numbers, and no data is lost")
  func archive() throws {
    for round in 0..<3 {
      try directories.createDirectory(named: "v", owner: "vol-\(round)")
      try base.write("\(round)", to: "v/file")
      try directories.archiveDirectory(named: "v", owner: "vol-\(round)")
      try directories.archiveDirectory(named: "v", owner: "vol-\(round)")
    }
    #expect(try names() == ["archived-v", "archived-v.1", "archived-v.2"])
    #expect(try WholeFile.text(base.appending("archived-v.1/file")) == "1")
  }

  @Test("a name of 255 bytes can be archived")
  func longName() throws {
    let name = FileName(bytes: [UInt8](repeating: 0x61, count: 255))
    try directories.createDirectory(named: name, owner: "vol-1")
    try directories.archiveDirectory(named: name, owner: "vol-1")
    #expect(try names().map(\.utf8.count) == [255])
    #expect(try names()[0].hasPrefix("archived-a"))
  }

  @Test("what is mounted inside stops the removal and keeps its content", .requiresRoot)
  func mountInside() async throws {
    let base = base
    let directories = directories
    try await PrivateMountNamespace.run {
      try directories.createDirectory(named: "v", owner: "vol-1")
      try base.makeDirectory("v/a")
      try base.makeDirectory("v/a/mounted")
      let outside = try TemporaryDirectory("outside")
      try outside.write("keep", to: "file")
      try Mount.bind(from: outside.path, to: base.appending("v/a/mounted"))
      #expect(throws: VolumeDirectoryError.self) {
        try directories.removeDirectory(named: "v", owner: "vol-1")
      }
      #expect(try WholeFile.text(outside.appending("file")) == "keep")
    }
    // The namespace is gone, and the mount with it: the next attempt finishes.
    try directories.removeDirectory(named: "v", owner: "vol-1")
    #expect(try names() == [])
  }

  @Test("free space is what an unprivileged user could write")
  func capacity() throws {
    let free = try directories.availableCapacity()
    #expect(free > 0)
    var status = statvfs()
    statvfs(base.path, &status)
    #expect(free <= UInt64(status.f_blocks) * UInt64(status.f_frsize))
  }
}
