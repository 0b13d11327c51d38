import SystemPackage
import Testing
import UnderFileSystem
import ObjectStore

@Suite("making, removing and renaming on an object store")
struct ObjectRenameTests {
  @Test("mkdir makes a marker that no other one replaces, and rmdir removes it")
  func markers() throws {
    let volume = ObjectVolume()
    try volume.root.make(.directory(mode: 0o755), "d")
    #expect(volume.bucket.keys == ["data/d/"])
    #expect(throws: Errno.fileExists) { try volume.root.make(.directory(mode: 0o755), "d") }
    // Somebody else made it, and this mount has not seen it.
    #expect(throws: Errno.noSuchFileOrDirectory) { try volume.node("e") }
    volume.bucket.set("data/e/")
    #expect(throws: Errno.fileExists) { try volume.root.make(.directory(mode: 0o755), "e") }
    #expect(try volume.node("e").attributes().isDirectory)
    let node = try volume.node("d")
    try volume.root.remove("d", directory: true, caller: root)
    #expect(volume.bucket.keys == ["data/e/"])
    #expect(throws: Errno.noSuchFileOrDirectory) { try volume.node("d") }
    #expect(throws: Errno.noSuchFileOrDirectory) { try volume.root.remove("d", directory: true, caller: root) }
    #expect(throws: Errno.staleNFSFileHandle) { try node.attributes() }
  }

  @Test("a directory that is only there for its keys goes with the last one, and rmdir of it succeeds")
  func lastKey() throws {
    let volume = ObjectVolume()
    volume.bucket.set("data/d/f")
    let directory = try volume.node("d")
    #expect(throws: Errno.directoryNotEmpty) { try volume.root.remove("d", directory: true, caller: root) }
    try directory.remove("f", directory: false, caller: root)
    #expect(volume.bucket.keys == [])
    try volume.root.remove("d", directory: true, caller: root)
    #expect(throws: Errno.noSuchFileOrDirectory) { try volume.node("d") }
  }

  @Test("unlink removes the object, and is seen at once")
  func unlink() throws {
    let volume = ObjectVolume()
    volume.bucket.set("data/f", "1")
    volume.bucket.set("data/d/")
    #expect(try volume.names() == ["d", "f"])
    #expect(throws: Errno.isDirectory) { try volume.root.remove("d", directory: false, caller: root) }
    #expect(throws: Errno.notDirectory) { try volume.root.remove("f", directory: true, caller: root) }
    try volume.root.remove("f", directory: false, caller: root)
    #expect(throws: Errno.noSuchFileOrDirectory) { try volume.node("f") }
    #expect(try volume.names() == ["d"])
    #expect(volume.bucket.keys == ["data/d/"])
  }

  @Test("a removal whose answer was lost is asked about again")
  func lostAnswer() throws {
    let faults = BucketFaults()
    let volume = ObjectVolume(InMemoryBucket(fault: faults.fault))
    volume.bucket.set("data/f", "1")
    faults.set { call, _, isDone in call == .delete && isDone ? BucketError(.unreachable, "reset") : nil }
    #expect(throws: Errno.ioError) { try volume.root.remove("f", directory: false, caller: root) }
    faults.set(nil)
    #expect(throws: Errno.noSuchFileOrDirectory) { try volume.root.remove("f", directory: false, caller: root) }
  }

  @Test(
    "rename of a file copies and removes, keeps the node, and replaces what has the name", arguments: [false, true])
  func files(inParts: Bool) throws {
    let volume = ObjectVolume {
      if inParts { ($0.largestCopy, $0.copyPartSize) = (4, 3) }
    }
    volume.bucket.set("data/a", "0123456789")
    volume.bucket.set("data/b", "replaced")
    volume.bucket.set("data/d/")
    let node = try volume.node("a")
    let file = try node.open(.read, caller: root)
    let stamp = node.versionStamp
    #expect(throws: Errno.fileExists) {
      try volume.root.rename("a", to: volume.root, named: "b", flags: .noReplace, caller: root)
    }
    #expect(throws: Errno.invalidArgument) {
      try volume.root.rename("a", to: volume.root, named: "b", flags: .exchange, caller: root)
    }
    #expect(throws: Errno.isDirectory) {
      try volume.root.rename("a", to: volume.root, named: "d", flags: [], caller: root)
    }
    try volume.root.rename("a", to: volume.root, named: "b", flags: [], caller: root)
    #expect(volume.bucket.keys == ["data/b", "data/d/"])
    #expect(try volume.node("b").content() == "0123456789")
    #expect(stamp != nil)
    #expect(try volume.node("b").versionStamp == stamp)
    #expect(throws: Errno.noSuchFileOrDirectory) { try volume.node("a") }
    try volume.root.rename("b", to: volume.node("d"), named: "c", flags: .noReplace, caller: root)
    #expect(volume.bucket.keys == ["data/d/", "data/d/c"])
    // References and open files go along.
    #expect(try node.content() == "0123456789")
    #expect(try file.read(3, at: 2) == Array("234".utf8))
    #expect(volume.bucket.uploads.isEmpty)
    #expect(throws: Errno.noSuchFileOrDirectory) {
      try volume.root.rename("x", to: volume.root, named: "y", flags: [], caller: root)
    }
  }

  @Test("a copy that fails leaves the source, and no upload")
  func failedCopy() throws {
    let faults = BucketFaults()
    let volume = ObjectVolume(InMemoryBucket(fault: faults.fault)) { ($0.largestCopy, $0.copyPartSize) = (4, 3) }
    volume.bucket.set("data/a", "0123456789")
    for failing in [BucketCall.createUpload, .copyPart, .complete] {
      faults.set { call, _, isDone in call == failing && !isDone ? BucketError(.unreachable, "reset") : nil }
      #expect(throws: Errno.ioError) {
        try volume.root.rename("a", to: volume.root, named: "b", flags: [], caller: root)
      }
      #expect(volume.bucket.keys == ["data/a"])
      #expect(volume.bucket.uploads.isEmpty)
    }
    faults.set(nil)
    #expect(try volume.node("a").content() == "0123456789")
  }

  @Test("a source that somebody replaced meanwhile is not moved")
  func replacedSource() throws {
    let volume = ObjectVolume()
    volume.bucket.set("data/a", "old")
    _ = try volume.node("a")
    volume.bucket.set("data/a", "new")
    #expect(throws: Errno.staleNFSFileHandle) {
      try volume.root.rename("a", to: volume.root, named: "b", flags: [], caller: root)
    }
    #expect(volume.bucket.keys == ["data/a"])
    try volume.root.rename("a", to: volume.root, named: "b", flags: [], caller: root)
    #expect(volume.bucket.content("data/b") == Array("new".utf8))
  }

  @Test("rename of a directory moves every key beneath it, those that are no names as well")
  func directories() throws {
    let volume = ObjectVolume()
    for key in ["s/", "s/a", "s/b/c", "s/b/d/", "s//hidden", "t/", "u/x", "f"] {
      volume.bucket.set(ObjectKey("data/" + key), key)
    }
    let r = volume.root
    #expect(try volume.names("s/b") == ["c", "d"])
    #expect(throws: Errno.directoryNotEmpty) { try r.rename("s", to: r, named: "u", flags: [], caller: root) }
    #expect(throws: Errno.fileExists) { try r.rename("s", to: r, named: "t", flags: .noReplace, caller: root) }
    #expect(throws: Errno.notDirectory) { try r.rename("s", to: r, named: "f", flags: [], caller: root) }
    let inside = try volume.node("s/b")
    #expect(throws: Errno.invalidArgument) { try r.rename("s", to: inside, named: "x", flags: [], caller: root) }
    #expect(throws: Errno.directoryNotEmpty) {
      try volume.node("s").rename("b", to: r, named: "s", flags: [], caller: root)
    }
    let inner = try volume.node("s/b/c")
    try r.rename("s", to: r, named: "t", flags: [], caller: root)
    #expect(try inner.content() == "s/b/c")
    #expect(try inside.names() == ["c", "d"])
    #expect(
      volume.bucket.keys.map(\.description)
        == ["data/f", "data/t/", "data/t//hidden", "data/t/a", "data/t/b/c", "data/t/b/d/", "data/u/x"])
    #expect(throws: Errno.noSuchFileOrDirectory) { try volume.node("s") }
    #expect(throws: Errno.noSuchFileOrDirectory) { try r.lookup("s") }
    #expect(try volume.names("t/b") == ["c", "d"])
    #expect(try volume.node("t/b/c").content() == "s/b/c")
  }

  @Test("a directory of more keys than are moved at a time is another file system")
  func largeDirectory() throws {
    let volume = ObjectVolume()
    for index in 0..<1000 { volume.bucket.set(ObjectKey("data/s/\(index)")) }
    try volume.root.rename("s", to: volume.root, named: "t", flags: [], caller: root)
    #expect(volume.bucket.keys.count == 1000)
    volume.bucket.set("data/t/one-more")
    _ = try volume.names()
    #expect(throws: Errno.improperLink) {
      try volume.root.rename("t", to: volume.root, named: "u", flags: [], caller: root)
    }
    #expect(volume.bucket.keys.allSatisfy { $0.bytes.starts(with: "data/t/".utf8) })
  }

  @Test("a move that died at any request is done by whoever repeats it", arguments: 0..<9)
  func repeatedMove(failing: Int) throws {
    let faults = BucketFaults()
    let bucket = InMemoryBucket(fault: faults.fault)
    for key in ["s/", "s/a", "s/b/c"] { bucket.set(ObjectKey("data/" + key), key) }
    let before = ObjectVolume(bucket)
    _ = try before.names()
    let step = StepCounter(failing)
    faults.set { _, _, isDone in isDone && step.isReached() ? BucketError(.unreachable, "killed") : nil }
    do throws(Errno) { try before.root.rename("s", to: before.root, named: "t", flags: [], caller: root) } catch {
      faults.set(nil)
      // The next worker: the journal repeats what has not been seen to be done.
      let after = ObjectVolume(bucket)
      if (try? after.root.fingerprint(of: "s")) != nil {
        try after.root.rename("s", to: after.root, named: "t", flags: [], caller: root)
      }
    }
    faults.set(nil)
    let shown = bucket.keys.map(\.description).filter { !$0.contains(".alluxio.tmp.") }
    #expect(shown == ["data/t/", "data/t/a", "data/t/b/c"])
  }

  @Test("a directory with nothing but old temporary names counts as empty")
  func temporaryNames() throws {
    let volume = ObjectVolume()
    volume.bucket.set("data/d/")
    volume.bucket.set("data/d/.alluxio.tmp.0123", lastModified: 1)
    try volume.root.remove("d", directory: true, caller: root)
    #expect(volume.bucket.keys == [])
    volume.bucket.set("data/e/.alluxio.tmp.0123", lastModified: .max)
    _ = try volume.names()
    #expect(throws: Errno.directoryNotEmpty) { try volume.root.remove("e", directory: true, caller: root) }
  }
}
