import Glibc
import LinuxSystem
import ObjectStore
import Synchronization
import SystemPackage
import TestSupport
import Testing
import UnderFileSystem

/// Parts of 16 bytes, so that little writing makes many.
let smallParts: SpoolLimits = {
  var limits = SpoolLimits()
  limits.firstPart = 16
  return limits
}()

extension ObjectVolume {
  /// Makes a file and leaves it open.
  func create(_ name: FileName) throws -> (file: any OpenFile, node: any UnderNode) {
    let made = try root.make(.file(mode: 0o644), name)
    return (try #require(made.file), try root.lookup(name).node)
  }

  var spoolFiles: Int { ((try? DirectoryNames.list(folder?.path ?? "")) ?? []).filter { $0 != "stamps.log" }.count }
}

func letters(_ count: Int, from start: Int = 0) -> [UInt8] { (0..<count).map { UInt8(97 + (start + $0) % 26) } }

@Suite("files written to an object store")
struct SpoolTests {
  @Test("a small file is written in any order, is one PUT at its close, and this mount sees it at once")
  func small() throws {
    let volume = try ObjectVolume(spools: SpoolLimits())
    let (file, node) = try volume.create("f")
    try file.write(Array("world".utf8), at: 6)
    try file.write(Array("hello ".utf8))
    #expect(try node.content() == "hello world")
    #expect(try volume.names() == ["f"])
    #expect(try volume.node("f").attributes().size == 11)
    #expect(volume.bucket.keys == [])
    let asked = try volume.requests {
      try file.flush()
      try file.flush()
    }
    #expect(asked[.put] == 1)
    #expect(volume.bucket.content("data/f") == Array("hello world".utf8))
    node.lastWriterClosed()
    #expect(volume.spoolFiles == 0)
    #expect(try node.content() == "hello world")
    #expect(try node.open(.readWrite, caller: root).read() == Array("hello world".utf8))
  }

  @Test("a file that nobody closed is completed with its last handle, an empty one too")
  func lastHandle() throws {
    let volume = try ObjectVolume(spools: SpoolLimits())
    let (file, node) = try volume.create("f")
    try file.write([1, 2, 3])
    node.lastWriterClosed()
    try volume.create("empty").node.lastWriterClosed()
    #expect(volume.bucket.content("data/f") == [1, 2, 3])
    #expect(volume.bucket.content("data/empty") == [])
    #expect(volume.spoolFiles == 0)
  }

  @Test("others see the old version until the file is closed, and what it keeps is kept")
  func overwrite() throws {
    let volume = try ObjectVolume(spools: SpoolLimits())
    volume.bucket.set("data/f", "0123456789")
    let node = try volume.node("f")
    let reader = try node.open(.read, caller: root)
    let file = try node.open(.readWrite, caller: root)
    #expect(try file.read() == Array("0123456789".utf8))
    try file.write(Array("xy".utf8), at: 4)
    #expect(volume.bucket.content("data/f") == Array("0123456789".utf8))
    #expect(try reader.read() == Array("0123xy6789".utf8))
    try file.flush()
    #expect(volume.bucket.content("data/f") == Array("0123xy6789".utf8))
    try file.truncate(to: 3)
    try file.truncate(to: 5)
    try file.synchronize()
    #expect(volume.bucket.content("data/f") == [0x30, 0x31, 0x32, 0, 0])
    try file.truncate(to: 0)
    try file.write([7])
    node.lastWriterClosed()
    #expect(volume.bucket.content("data/f") == [7])
    // The node is the same: this mount wrote it.
    #expect(try node.content() == "\u{7}")
    #expect(try reader.read() == [7])
    #expect(volume.spoolFiles == 0)
  }

  @Test("appending to a large file copies its parts in the store and reads only the last one")
  func append() throws {
    let volume = try ObjectVolume(spools: smallParts)
    volume.bucket.set("data/f", String(decoding: letters(100), as: UTF8.self))
    let node = try volume.node("f")
    let file = try node.open(.readWrite, caller: root)
    let asked = try volume.requests {
      try file.write(letters(50, from: 100), at: 100)
      try file.flush()
    }
    #expect(asked[.read] == 1)
    #expect(asked[.copyPart] == 6)
    #expect(volume.bucket.content("data/f") == letters(150))
    #expect(throws: Errno.notSupported) { try file.write([0], at: 20) }
    #expect(try file.read(150) == letters(150))
    // A second round continues what the first one made.
    try file.write(letters(10, from: 150), at: 150)
    try file.flush()
    #expect(volume.bucket.content("data/f") == letters(160))
    #expect(throws: Errno.notSupported) { try file.truncate(to: 20) }
    try file.truncate(to: 0)
    try file.write([1])
    node.lastWriterClosed()
    #expect(volume.bucket.content("data/f") == [1])
    #expect(volume.bucket.uploads.isEmpty)
    #expect(volume.log.refused == ["changing a part that has left the spool"])
  }

  @Test("a large file goes to the store while it is written, and its spool keeps what there is room for")
  func sequential() throws {
    var limits = smallParts
    limits.room = 64
    let volume = try ObjectVolume(spools: limits)
    let (file, node) = try volume.create("f")
    var written = 0
    while written < 1000 {
      try file.write(letters(10, from: written), at: Int64(written))
      written += 10
    }
    #expect(volume.bucket.requests[.putPart, default: 0] > 50)
    #expect(throws: Errno.notSupported) { try file.write([0], at: 0) }
    #expect(throws: Errno.notSupported) { try file.read(10, at: 0) }
    #expect(try file.read(20, at: 980) == letters(20, from: 980))
    try file.flush()
    #expect(volume.bucket.content("data/f") == letters(1000))
    #expect(try file.read(1000) == letters(1000))
    node.lastWriterClosed()
    #expect(volume.spoolFiles == 0)
    #expect(volume.bucket.uploads.isEmpty)
  }

  @Test("a part that was sent and is written again is sent again")
  func rewritten() throws {
    let volume = try ObjectVolume(spools: smallParts)
    let (file, _) = try volume.create("f")
    try file.write(letters(40))
    try file.write(letters(40, from: 40), at: 40)
    try file.write(Array("XYZ".utf8), at: 14)
    try file.flush()
    var expected = letters(80)
    expected.replaceSubrange(14..<17, with: Array("XYZ".utf8))
    #expect(volume.bucket.content("data/f") == expected)
    try file.write(letters(2), at: 100)
    try file.flush()
    #expect(volume.bucket.content("data/f") == expected + [UInt8](repeating: 0, count: 20) + letters(2))
  }

  @Test("a new file never replaces an object that somebody else made meanwhile", arguments: [false, true])
  func exclusive(ignoresConditions: Bool) throws {
    var manners = InMemoryBucket.Manners()
    manners.ignoresConditions = ignoresConditions
    let volume = try ObjectVolume(InMemoryBucket(manners), spools: smallParts)
    for size in [3, 40] {
      let (file, node) = try volume.create("f")
      try file.write(letters(size))
      volume.bucket.set("data/f", "theirs")
      for _ in 0..<2 { #expect(throws: Errno.fileExists) { try file.flush() } }
      node.lastWriterClosed()
      #expect(volume.bucket.content("data/f") == Array("theirs".utf8))
      #expect(try volume.node("f").content() == "theirs")
      #expect(volume.bucket.uploads.isEmpty)
      #expect(volume.spoolFiles == 0)
      try volume.root.remove("f", directory: false, caller: root)
    }
  }

  @Test("what could not be brought to the store is kept, and tried again with each close", arguments: [3, 40])
  func failure(size: Int) throws {
    let faults = BucketFaults()
    let volume = try ObjectVolume(InMemoryBucket(fault: faults.fault), spools: smallParts)
    let (file, node) = try volume.create("f")
    try file.write(letters(size))
    for isDone in [false, true] {
      for call in [BucketCall.put, .createUpload, .putPart, .complete] {
        faults.set { $0 == call && $2 == isDone ? BucketError(.unreachable, "reset") : nil }
        do throws(Errno) { try file.flush() } catch { #expect(error == .ioError) }
        faults.set(nil)
        #expect(try file.read(size) == letters(size))
      }
    }
    try file.flush()
    #expect(volume.bucket.content("data/f") == letters(size))
    node.lastWriterClosed()
    #expect(volume.spoolFiles == 0)
  }

  @Test("after a failed close the last one gives up: the old version stays, no upload is left, and the log says so")
  func givenUp() throws {
    let faults = BucketFaults()
    let volume = try ObjectVolume(InMemoryBucket(fault: faults.fault), spools: smallParts)
    volume.bucket.set("data/f", "old")
    let node = try volume.node("f")
    let file = try node.open(.readWrite, caller: root)
    try file.write(letters(40))
    faults.set { call, _, _ in call == .complete ? BucketError(.unreachable, "reset") : nil }
    #expect(throws: Errno.ioError) { try file.flush() }
    faults.set(nil)
    node.lastWriterClosed()
    #expect(volume.bucket.content("data/f") == Array("old".utf8))
    #expect(volume.bucket.uploads.isEmpty)
    #expect(volume.spoolFiles == 0)
    #expect(volume.log.failed.contains { $0.contains("given up") })
    #expect(try volume.node("f").content() == "old")
  }

  @Test("a removed file stays with who writes it, and is dropped with the last close")
  func unlinked() throws {
    let volume = try ObjectVolume(spools: smallParts)
    let (file, node) = try volume.create("f")
    try file.write(letters(40))
    try volume.root.remove("f", directory: false, caller: root)
    #expect(try volume.names() == [])
    try file.write(letters(1))
    #expect(try file.read(40) == letters(40))
    #expect(try file.attributes().linkCount == 0)
    try file.flush()
    node.lastWriterClosed()
    #expect(volume.bucket.keys == [])
    #expect(volume.bucket.uploads.isEmpty)
  }

  @Test("the spool of a removed file goes with the last who has it open")
  func unlinkedFiles() throws {
    let volume = try ObjectVolume(spools: SpoolLimits())
    do {
      let (file, _) = try volume.create("f")
      try file.write([1])
      try volume.root.remove("f", directory: false, caller: root)
      #expect(volume.spoolFiles == 2)
      #expect(try file.read() == [1])
    }
    #expect(volume.spoolFiles == 0)
  }

  @Test("a handle that was open when the file's spool ended begins another one")
  func spoolAfterSpool() throws {
    let volume = try ObjectVolume(spools: SpoolLimits())
    let (file, node) = try volume.create("f")
    try file.write([1, 2])
    node.lastWriterClosed()
    try file.write([9], at: 1)
    #expect(volume.bucket.content("data/f") == [1, 2])
    try file.flush()
    #expect(volume.bucket.content("data/f") == [1, 9])
    node.lastWriterClosed()
    #expect(volume.spoolFiles == 0)
  }

  @Test("a file that is written moves with its spool, alone and with its directory")
  func renamed() throws {
    let volume = try ObjectVolume(spools: smallParts)
    let directory = try volume.root.makeDirectory("d")
    let (file, node) = try volume.create("a")
    try file.write(letters(40))
    try volume.root.rename("a", to: directory, named: "b", flags: [], caller: root)
    #expect(throws: Errno.noSuchFileOrDirectory) { try volume.node("a") }
    #expect(try volume.names("d") == ["b"])
    #expect(throws: Errno.directoryNotEmpty) { try volume.root.remove("d", directory: true, caller: root) }
    try file.write(letters(10, from: 40), at: 40)
    try file.flush()
    #expect(volume.bucket.keys == ["data/d/", "data/d/b"])
    // Now the store has it: it is copied there.
    try file.write(letters(10, from: 50), at: 50)
    try volume.root.rename("d", to: volume.root, named: "e", flags: [], caller: root)
    try file.write(letters(10, from: 60), at: 60)
    node.lastWriterClosed()
    #expect(volume.bucket.content("data/e/b") == letters(70))
    #expect(volume.bucket.keys == ["data/e/", "data/e/b"])
    #expect(volume.bucket.uploads.isEmpty)
    #expect(volume.spoolFiles == 0)
  }

  @Test("times of a file that is written may be set to the present, as touch does")
  func touch() throws {
    let volume = try ObjectVolume(spools: smallParts)
    let (file, node) = try volume.create("f")
    _ = try node.set { $0.modificationTime = .now }
    try file.flush()
    #expect(throws: Errno.notSupported) { _ = try node.set { $0.modificationTime = .now } }
    #expect(throws: Errno.notSupported) { _ = try node.set { $0.modificationTime = .at(1) } }
    node.lastWriterClosed()
  }

  @Test("truncate without a handle is in the store when it returns")
  func truncatePath() throws {
    let volume = try ObjectVolume(spools: smallParts)
    volume.bucket.set("data/f", "0123456789")
    let node = try volume.node("f")
    #expect(try node.set { $0.size = 4 }.size == 4)
    #expect(volume.bucket.content("data/f") == Array("0123".utf8))
    #expect(try node.set { $0.size = 40 }.size == 40)
    #expect(volume.bucket.content("data/f") == Array("0123".utf8) + [UInt8](repeating: 0, count: 36))
    #expect(volume.spoolFiles == 0)
  }

  @Test("a random writer, with closes in between, leaves what a file would")
  func randomWrites() throws {
    var random = SeededGenerator(seed: 5)
    for round in 0..<60 {
      let volume = try ObjectVolume(spools: smallParts)
      let (file, node) = try volume.create("f")
      var model: [UInt8] = []
      for _ in 0..<25 {
        switch Int.random(in: 0..<8, using: &random) {
        case 0..<5:
          let offset = Int.random(in: 0...(model.count + 20), using: &random)
          let bytes = letters(Int.random(in: 1...60, using: &random), from: offset)
          guard (try? file.write(bytes, at: Int64(offset))) != nil else { continue }
          if model.count < offset + bytes.count {
            model += [UInt8](repeating: 0, count: offset + bytes.count - model.count)
          }
          model.replaceSubrange(offset..<offset + bytes.count, with: bytes)
        case 5:
          let size = Int.random(in: 0...120, using: &random)
          guard (try? file.truncate(to: Int64(size))) != nil else { continue }
          model = Array(model.prefix(size)) + [UInt8](repeating: 0, count: max(0, size - model.count))
        case 6:
          try file.flush()
          #expect(volume.bucket.content("data/f") == model, "round \(round)")
        default: #expect(try file.read(1000) == model, "round \(round)")
        }
      }
      node.lastWriterClosed()
      #expect(volume.bucket.content("data/f") == model, "round \(round)")
      #expect(volume.bucket.uploads.isEmpty && volume.spoolFiles == 0)
    }
  }
}
