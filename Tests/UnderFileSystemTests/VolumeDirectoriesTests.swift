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

  @Test("a removal that was interrupted goes on where it stopped")
  func interrupted() throws {
    try directories.createDirectory(named: "v", owner: "vol-1")
    try base.makeDirectory("v/a")
    try directories.removeDirectory(named: "v", owner: "vol-1")
    // What a removal leaves when it dies after its first step: the hidden name is a function of name and owner.
    try directories.createDirectory(named: "w", owner: "vol-2")
    try base.makeDirectory("w/rest")
    let hidden = ".alluxio.tmp.d.4f"  // Any other scratch directory must stay.
    try base.makeDirectory(hidden)
    try directories.removeDirectory(named: "w", owner: "vol-2")
    #expect(try names() == [hidden])
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
