import CLinux
import Glibc
import LinuxSystem
import SystemPackage
import TestSupport
import Testing

@Suite("Names and directories on a mount", .requiresFuse)
struct NameTests {
  @Test("names of 255 bytes are served and longer ones refused", arguments: ["x", "é"])
  func longNames(_ letter: String) throws {
    let mounted = try MountedDirectory()
    let name = String(repeating: letter, count: 255 / letter.utf8.count) + (letter.utf8.count == 2 ? "y" : "")
    #expect(name.utf8.count == 255)
    try Files.write("long", mounted.at(name))
    #expect(try Files.list(mounted.path) == [name] && Files.read(mounted.beside(name)) == "long")
    #expect(throws: Errno.fileNameTooLong) { try Files.write("", mounted.at(name + "z")) }
    try Files.rename(mounted.at(name), mounted.at("short"))
    try Files.link(mounted.at("short"), mounted.at(name))
    try Files.makeDirectory(mounted.at(String(name.dropLast()) + "d"))
    try Files.symlink(name, mounted.at(String(name.dropLast()) + "l"))
    #expect(try Files.list(mounted.path).count == 4)
  }

  @Test("names that are no UTF-8 are bytes like others")
  func invalidUTF8() throws {
    let mounted = try MountedDirectory()
    let bytes: [CChar] = [-1, -2, 0x41, -128, 0x0A]
    let path = Array(mounted.path.utf8CString.dropLast()) + [0x2F] + bytes + [0]
    let made = Glibc.open(path, O_WRONLY | O_CREAT | O_EXCL, 0o644)
    #expect(made >= 0)
    close(made)
    let stream = try #require(opendir(mounted.path))
    defer { closedir(stream) }
    var names: [[CChar]] = []
    while let entry = readdir(stream) {
      withUnsafeBytes(of: &entry.pointee.d_name) { names.append($0.prefix { $0 != 0 }.map(CChar.init(bitPattern:))) }
    }
    #expect(names.contains(bytes))
    #expect(unlink(path) == 0)
  }

  @Test("names with odd letters are served")
  func oddNames() throws {
    let mounted = try MountedDirectory()
    let names = ["a b", "new\nline", "-rf", "*", "\"'\\", "....", ".hidden", "~", "日本語", "\u{1}"]
    for name in names { try Files.write(name, mounted.at(name)) }
    #expect(try Set(Files.list(mounted.path)) == Set(names))
    for name in names { #expect(try Files.read(mounted.at(name)) == name) }
  }

  @Test("dot and dot-dot are listed, with the numbers of their directories")
  func dots() throws {
    let mounted = try MountedDirectory()
    try Files.makeDirectory(mounted.at("d"))
    let output = try Program.shell("ls -1ai '\(mounted.at("d"))' | awk '{print $2}'").output
    #expect(output.split(separator: "\n") == [".", ".."])
  }

  @Test("20000 entries are each listed exactly once")
  func manyEntries() throws {
    let mounted = try MountedDirectory()
    try Files.makeDirectory(mounted.beside("d"))
    let names = (0..<20_000).map { "entry-\($0)" }
    for name in names { try Files.write("", mounted.beside("d/\(name)")) }
    let listed = try Files.list(mounted.at("d"))
    #expect(listed.count == 20_000 && Set(listed) == Set(names))
  }

  @Test("entries that nobody touches are listed exactly once while others are removed and made")
  func concurrentChanges() throws {
    let mounted = try MountedDirectory()
    try Files.makeDirectory(mounted.beside("d"))
    let kept = (0..<5_000).map { "kept-\($0)" }
    for name in kept { try Files.write("", mounted.beside("d/\(name)")) }
    for index in 0..<15_000 { try Files.write("", mounted.beside("d/gone-\(index)")) }
    guard let stream = opendir(mounted.at("d")) else { throw Errno(rawValue: errno) }
    defer { closedir(stream) }
    var seen: [String: Int] = [:]
    var count = 0
    while let entry = readdir(stream) {
      seen[DirectoryEntry.name(entry), default: 0] += 1
      count += 1
      if count % 2 == 0, count / 2 < 15_000 {
        try Files.remove(mounted.at("d/gone-\(count / 2)"))
        try Files.write("", mounted.at("d/new-\(count / 2)"))
      }
    }
    #expect(kept.allSatisfy { seen[$0] == 1 })
    #expect(seen.values.allSatisfy { $0 == 1 })
  }

  @Test("a place in a listing stays right after entries before it are removed, and a rewind sees what is new")
  func cookies() throws {
    let mounted = try MountedDirectory()
    for index in 0..<500 { try Files.write("", mounted.at("f\(index)")) }
    let stream = try #require(opendir(mounted.path))
    defer { closedir(stream) }
    var before: [String] = []
    for _ in 0..<200 { if let entry = readdir(stream) { before.append(DirectoryEntry.name(entry)) } }
    let place = telldir(stream)
    var rest: [String] = []
    while let entry = readdir(stream) { rest.append(DirectoryEntry.name(entry)) }
    for name in before where name != "." && name != ".." { try Files.remove(mounted.at(name)) }
    seekdir(stream, place)
    var again: [String] = []
    while let entry = readdir(stream) { again.append(DirectoryEntry.name(entry)) }
    #expect(again == rest)
    try Files.write("", mounted.at("new"))
    rewinddir(stream)
    var fresh: Set<String> = []
    while let entry = readdir(stream) { fresh.insert(DirectoryEntry.name(entry)) }
    #expect(fresh == Set(rest + ["new", ".", ".."]))
  }

  @Test("a directory that is removed while it is open lists nothing and takes no new entries")
  func removedAndOpen() throws {
    let mounted = try MountedDirectory()
    try Files.makeDirectory(mounted.at("d"))
    let directory = try Files.open(mounted.at("d"), O_RDONLY | O_DIRECTORY)
    try Files.removeDirectory(mounted.at("d"))
    #expect(throws: Errno.noSuchFileOrDirectory) { _ = try directory.open(at: "x", O_WRONLY | O_CREAT, mode: 0o644) }
  }

  @Test("a mount inside the shown directory cannot be left by dot-dot or links of the directory")
  func confinement() throws {
    let mounted = try MountedDirectory()
    try Files.write("secret", mounted.folder.appending("outside"))
    #expect(!Files.exists(mounted.at("../source/../mount/outside")))
    try Files.symlink("../outside", mounted.beside("link"))
    // Resolved by the caller's kernel, relative to the mount point: the same as for any file system.
    #expect(try Files.read(mounted.at("link")) == "secret")
    #expect(try Files.status(mounted.at("link")).st_mode & NodeType.mask == NodeType.link)
  }
}
