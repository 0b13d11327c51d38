import SystemPackage
import TestSupport
import Testing
import UnderFileSystem
import ObjectStore

@Suite("names on an object store")
struct ObjectNameTests {
  @Test("a prefix without any key is an empty directory")
  func empty() throws {
    let volume = ObjectVolume()
    volume.bucket.set("database/x")
    volume.bucket.set("dat")
    #expect(try volume.names() == [])
    #expect(try volume.root.attributes().isDirectory)
    #expect(throws: Errno.noSuchFileOrDirectory) { try volume.root.lookup("x") }
  }

  @Test("directories are there for their keys and for their markers", arguments: ["", "data", "data/", "a/b"])
  func directories(prefix: String) throws {
    let volume = ObjectVolume(prefix: prefix)
    let base = prefix.isEmpty || prefix.hasSuffix("/") ? prefix : prefix + "/"
    volume.bucket.set(ObjectKey(base + "keys/one"))
    volume.bucket.set(ObjectKey(base + "marker/"))
    volume.bucket.set(ObjectKey(base + "both/"))
    volume.bucket.set(ObjectKey(base + "both/two"), "22")
    volume.bucket.set(ObjectKey(base + "file"), "content")
    volume.bucket.set(ObjectKey(base))
    #expect(try volume.names() == ["both", "file", "keys", "marker"])
    for name in ["both", "keys", "marker"] { #expect(try volume.node(name).attributes().isDirectory) }
    #expect(try volume.names("marker") == [])
    #expect(try volume.names("both") == ["two"])
    #expect(try volume.node("file").content() == "content")
    #expect(throws: Errno.notDirectory) { try volume.node("file").lookup("x") }
  }

  @Test("where a key is a file and has keys beneath it, the directory is shown", arguments: [1, 2, 3, 1000])
  func fileAndDirectory(page: Int) throws {
    var manners = InMemoryBucket.Manners()
    manners.longestPage = page
    for between in [[], ["a!"], ["a!", "a-b", "a.txt"], (0..<7).map { "a-\($0)" }] {
      let bucket = InMemoryBucket(manners)
      for name in ["a", "a/x", "b", "b.c", "c/", "c0"] + between { bucket.set(ObjectKey("data/" + name)) }
      let expected = (["a", "b", "b.c", "c", "c0"] + between).sorted()
      #expect(try ObjectVolume(bucket).names().sorted() == expected)
      let volume = ObjectVolume(bucket)
      #expect(try volume.node("a").attributes().isDirectory)
      #expect(try volume.node("b").attributes().isRegular)
      for name in between { #expect(try volume.node(name).attributes().isRegular) }
      #expect(throws: Errno.noSuchFileOrDirectory) { try volume.node("a-") }
    }
  }

  @Test("keys that cannot be names are hidden and counted, and keep their directory")
  func hidden() throws {
    let volume = ObjectVolume()
    let long = String(repeating: "x", count: 256)
    let keys = [
      "d//b", "d/./x", "d/../x", "d/..", "d/\(long)", "d/\(long)/y", "d/n\0l", "d/.alluxio.volume", "d/.alluxio.tmp.1",
    ]
    for key in keys { volume.bucket.set(ObjectKey("data/" + key)) }
    volume.bucket.set("data/d/shown")
    #expect(try volume.names("d") == ["shown"])
    // `..` stands once as a key and once as a prefix.
    #expect(volume.ufs.hiddenKeyCount == UInt64(keys.count))
    let directory = try volume.node("d")
    #expect(throws: Errno.noSuchFileOrDirectory) { try directory.lookup(".alluxio.volume") }
    #expect(throws: Errno.fileNameTooLong) { try directory.lookup(FileName(bytes: long.utf8)) }
    try directory.remove("shown", directory: false, caller: root)
    #expect(throws: Errno.directoryNotEmpty) { try volume.root.remove("d", directory: true, caller: root) }
  }

  @Test("names are UTF-8, and equal only by their bytes")
  func text() throws {
    let volume = ObjectVolume()
    let broken = FileName(bytes: [0x61, 0xFF])
    #expect(throws: Errno.noSuchFileOrDirectory) { try volume.root.lookup(broken) }
    #expect(throws: Errno.illegalByteSequence) { try volume.root.make(.directory(mode: 0o755), broken) }
    for name: FileName in ["\u{E9}", "e\u{301}"] { try volume.root.make(.directory(mode: 0o755), name) }
    #expect(try volume.names().count == 2)
    #expect(throws: Errno.noSuchFileOrDirectory) { try volume.root.lookup("E\u{301}") }
  }

  @Test("a key of more than 1024 bytes is a name too long")
  func longKeys() throws {
    let volume = ObjectVolume()
    var directory = volume.root
    for letter in ["a", "b", "c", "d"] {
      directory = try directory.makeDirectory(FileName(bytes: String(repeating: letter, count: 250).utf8))
    }
    let fitting = FileName(bytes: [UInt8](repeating: 0x65, count: 1024 - 5 - 4 * 251 - 1))
    let longer = FileName(bytes: fitting.bytes + [0x65])
    #expect(throws: Errno.fileNameTooLong) { try directory.make(.directory(mode: 0o755), longer) }
    try directory.make(.directory(mode: 0o755), fitting)
    #expect(try directory.names() == [fitting])
  }

  @Test("inode numbers are those of the key: the same for every mount, and the listing has them too")
  func inodes() throws {
    let bucket = InMemoryBucket()
    bucket.set("data/d/f", "1")
    let (one, two) = (ObjectVolume(bucket), ObjectVolume(bucket))
    for path in ["d", "d/f", ""] {
      #expect(try one.node(path).attributes().inode == (try two.node(path).attributes()).inode)
    }
    let file = try one.node("d/f").attributes().inode
    let directory = try one.node("d").attributes().inode
    var listed: [String: UInt64] = [:]
    _ = try one.node("d").list(from: 0).forEach { (name, inode, _, _) throws(Errno) in
      listed[String(decoding: (0..<name.count - 1).map { name[$0] }, as: UTF8.self)] = inode
      return true
    }
    #expect(listed == [".": directory, "..": try one.root.attributes().inode, "f": file])
    bucket.set("data/d/f", "another")
    #expect(try ObjectVolume(bucket).node("d/f").attributes().inode == file)
  }

  @Test("whatever the keys are, each shown name is found, and each key is shown or counted")
  func randomKeys() throws {
    var random = SeededGenerator(seed: 11)
    let pieces = ["a", "b", "/", "/", ".", "..", "-", "é", "\0", "日", String(repeating: "z", count: 254), "!", "0"]
    for round in 0..<200 {
      let bucket = InMemoryBucket()
      for index in 0..<Int.random(in: 1...12, using: &random) {
        let parts = (0..<Int.random(in: 1...5, using: &random)).compactMap { _ in pieces.randomElement(using: &random) }
        bucket.set(ObjectKey("data/" + parts.joined()), "\(index)")
      }
      let volume = ObjectVolume(bucket)
      var reached = 0
      try walk(volume.root, "data/", volume, &reached)
      #expect(reached <= bucket.keys.count, "round \(round): \(bucket.keys)")
      if volume.ufs.hiddenKeyCount == 0 {
        let files = bucket.keys.filter { $0.bytes.last != 0x2F }
        let covered = files.filter { file in files.contains { $0 != file && $0.bytes.starts(with: file.bytes + [0x2F]) }
        }
        let markers = bucket.keys.filter { $0.bytes.last == 0x2F }
        let coveredByMarkers = files.filter { file in
          !covered.contains(file) && markers.contains { $0.bytes.starts(with: file.bytes + [0x2F]) }
        }
        #expect(reached == files.count - covered.count - coveredByMarkers.count, "round \(round): \(bucket.keys)")
      }
    }
  }

  private func walk(
    _ directory: any UnderNode, _ prefix: String, _ volume: ObjectVolume, _ files: inout Int
  ) throws {
    let names = try directory.names()
    #expect(Set(names).count == names.count)
    for name in names {
      let cached = try directory.lookup(name)
      let key = prefix + name.description
      let fresh = try ObjectVolume(volume.bucket).node(String(key.dropFirst(5)))
      #expect(try fresh.attributes() == cached.attributes)
      if cached.attributes.isDirectory {
        try walk(cached.node, key + "/", volume, &files)
      } else {
        files += 1
        #expect(try cached.node.content().utf8.elementsEqual(volume.bucket.content(ObjectKey(key)) ?? []))
      }
    }
  }
}
