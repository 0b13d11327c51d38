import Glibc
import LinuxSystem
import ObjectStore
import Synchronization
import SystemPackage
import TestSupport
import Testing

@testable import UnderFileSystem

@Suite("spools that a worker left")
struct SpoolAdoptionTests {
  /// A copy of the folder as it is now, which is what a worker that is killed now leaves.
  private static func copy(_ folder: String) throws -> TemporaryDirectory {
    let copy = try TemporaryDirectory("left")
    // Bytes before their story: what a part's leaving the spool takes away later does not matter.
    for name in try DirectoryNames.list(folder).sorted() {
      guard let bytes = try? WholeFile.read("\(folder)/\(name)") else { continue }
      let file = try Descriptor.open("\(copy.path)/\(name)", O_WRONLY | O_CREAT, mode: 0o600)
      try file.writeAll(bytes)
    }
    return copy
  }

  /// What was left at one moment: files, and how much of the file had been taken by write(2).
  private struct Left: Sendable {
    var folder: TemporaryDirectory
    var written: Int
    var call: String
  }

  @Test(
    "killed at any request, no byte that a write took is lost: the next worker reads and completes it",
    arguments: [64, 1 << 20])
  func everyRequest(room: Int64) throws {
    var limits = smallParts
    limits.room = room
    limits.uploads = 1
    let folder = Mutex<String?>(nil)
    let left = Mutex<[Left]>([])
    // The bucket's closure may live on in a thread that uploads.
    defer { left.withLock { $0 = [] } }
    let taken = Mutex(0)
    let bucket = InMemoryBucket { call, _, isDone in
      let written = taken.withLock { $0 }
      if call != .list, let path = folder.withLock({ $0 }), let copy = try? Self.copy(path) {
        left.withLock { $0.append(Left(folder: copy, written: written, call: "\(call) \(isDone)")) }
      }
      return nil
    }
    let volume = try ObjectVolume(bucket, spools: limits)
    let (file, _) = try volume.create("f")
    folder.withLock { $0 = volume.folder?.path }
    for offset in stride(from: 0, to: 120, by: 10) {
      try file.write(letters(10, from: offset), at: Int64(offset))
      taken.withLock { $0 = offset + 10 }
    }
    try file.flush()
    folder.withLock { $0 = nil }
    let moments = left.withLock { $0 }
    #expect(moments.count > 10)
    for moment in moments {
      // The store as it is now has all parts that were sent by then; the object is there only where its placing was.
      let next = try ObjectVolume(bucket, spools: limits, folder: moment.folder)
      try next.ufs.adoptSpools(isSameMount: true)
      guard let spool = next.ufs.tree.spools.find(next.ufs.keys.root.child(Array("f".utf8))) else {
        Issue.record("the spool of \(moment.call) is lost")
        continue
      }
      let size = try Int(spool.size())
      #expect(size >= moment.written, "\(moment.call)")
      let known = spool.snapshot
      for part in 0..<known.layout.count(Int64(size)) {
        let state = known.parts[part] ?? SpoolPart()
        #expect(state.isLocal || state.isElsewhere, "\(moment.call): part \(part) is nowhere")
        guard state.isLocal else { continue }
        let range = known.layout.range(part).clamped(to: 0..<Int64(size))
        #expect(
          try spool.data.descriptor.bytes(at: range.lowerBound, count: range.count)
            == letters(range.count, from: Int(range.lowerBound)), "\(moment.call)")
      }
      #expect(known.stamp == spool.id)
    }
  }

  @Test("the next worker goes on with an upload, and completes it once")
  func goesOn() throws {
    var limits = smallParts
    limits.room = 64
    for isCompleted in [false, true] {
      let faults = BucketFaults()
      let bucket = InMemoryBucket(fault: faults.fault)
      let volume = try ObjectVolume(bucket, spools: limits)
      let (file, node) = try volume.create("f")
      for offset in stride(from: 0, to: 200, by: 10) { try file.write(letters(10, from: offset), at: Int64(offset)) }
      if isCompleted {
        // The store did it, and the worker died before it knew.
        faults.set { call, _, isDone in call == .complete && isDone ? BucketError(.unreachable, "killed") : nil }
        #expect(throws: Errno.ioError) { try file.flush() }
        faults.set(nil)
      }
      try die(volume)
      let next = try ObjectVolume(bucket, spools: limits, folder: volume.folder)
      try next.ufs.adoptSpools(isSameMount: true)
      let found = try next.root.lookup("f")
      #expect(found.node.versionStamp == node.versionStamp)
      let open = try found.node.open(.readWrite, caller: root)
      if !isCompleted { try open.write(letters(10, from: 200), at: 200) }
      try open.flush()
      #expect(bucket.content("data/f") == letters(isCompleted ? 200 : 210))
      found.node.lastWriterClosed()
      #expect(bucket.uploads.isEmpty)
      #expect(next.spoolFiles == 0)
    }
  }

  @Test("what a small new file's worker did not live to hear is not taken for somebody else's object")
  func lostAnswer() throws {
    let faults = BucketFaults()
    let bucket = InMemoryBucket(fault: faults.fault)
    let volume = try ObjectVolume(bucket, spools: smallParts)
    let (file, _) = try volume.create("f")
    try file.write(letters(5))
    faults.set { call, _, isDone in call == .put && isDone ? BucketError(.unreachable, "killed") : nil }
    #expect(throws: Errno.ioError) { try file.flush() }
    faults.set(nil)
    let next = try ObjectVolume(bucket, spools: smallParts, folder: volume.folder)
    try next.ufs.adoptSpools(isSameMount: true)
    try next.root.lookup("f").node.open(.readWrite, caller: root).flush()
    #expect(bucket.content("data/f") == letters(5))
  }

  @Test("where a part is lost with its upload, close and fsync fail: never a hole")
  func lostUpload() throws {
    var limits = smallParts
    limits.room = 32
    let bucket = InMemoryBucket()
    let volume = try ObjectVolume(bucket, spools: limits)
    let (file, _) = try volume.create("f")
    for offset in stride(from: 0, to: 200, by: 10) { try file.write(letters(10, from: offset), at: Int64(offset)) }
    for upload in bucket.uploads { try bucket.abort(upload) }
    for _ in 0..<2 { #expect(throws: Errno.ioError) { try file.flush() } }
    #expect(bucket.keys == [])
  }

  @Test("of two files that have one name the one lives that a rename was giving it")
  func renamedOver() throws {
    for (source, target) in [("f", "g"), ("g", "f")] {
      let bucket = InMemoryBucket()
      let volume = try ObjectVolume(bucket, spools: smallParts)
      for name in ["f", "g"] {
        let (file, _) = try volume.create(FileName(bytes: name.utf8))
        try file.write(letters(3, from: name == source ? 5 : 0))
      }
      func path(_ name: String) -> NodePath { volume.ufs.keys.root.child(Array(name.utf8)) }
      // Its worker dies before it has taken the other one's name away.
      try #require(volume.ufs.tree.spools.find(path(source))).move(to: path(target), replaces: true)
      let next = try ObjectVolume(bucket, spools: smallParts, folder: volume.folder)
      try next.ufs.adoptSpools(isSameMount: true)
      #expect(try next.names() == [target])
      next.ufs.closeLeftovers { _ in false }
      #expect(bucket.content(ObjectKey("data/\(target)")) == letters(3, from: 5))
      #expect(next.spoolFiles == 0)
    }
  }

  @Test("spools of a mount that is over are removed, and their uploads aborted")
  func otherMount() throws {
    let bucket = InMemoryBucket()
    let volume = try ObjectVolume(bucket, spools: smallParts)
    let (file, _) = try volume.create("f")
    try file.write(letters(40))
    try file.write(letters(40, from: 40), at: 40)
    try die(volume)
    let prepared = try volume.root.prepare(.file(mode: 0o644), named: "g", token: 1, for: Creator(caller: root))
    let next = try ObjectVolume(bucket, spools: smallParts, folder: volume.folder)
    try next.ufs.adoptSpools(isSameMount: false)
    withExtendedLifetime(prepared) {}
    #expect(next.spoolFiles == 0)
    #expect(bucket.uploads.isEmpty)
    #expect(try next.names() == [])
  }

  /// A dead worker's threads do nothing more: waits for those that send parts.
  private func die(_ volume: ObjectVolume) throws {
    let path = volume.ufs.keys.root.child(Array("f".utf8))
    let spool = try #require(volume.ufs.tree.spools.find(path))
    while spool.uploadsUnderWay > 0 { sched_yield() }
  }

  @Test("a log that ends anywhere gives the steps that were written to their end")
  func tornLog() throws {
    let version = ObjectVersion(size: 7, entityTag: EntityTag("tag"), lastModified: 9)
    let records: [SpoolRecord] = [
      .begin(key: Array("data/f".utf8), stamp: 5, base: version), .placed, .dirty(0), .upload(id: "u"),
      .part(0, EntityTag("a")), .gone(0), .moved(key: [0x61], replaces: true), .completed(version), .emptied, .cut(3),
      .attempted, .unlinked, .begin(key: [], stamp: 1, base: nil),
    ]
    let directory = try TemporaryDirectory("log")
    let folder = try Descriptor.open(directory.path, O_RDONLY | O_DIRECTORY)
    let name = Array("a.log\0".utf8)
    let log = try RecordLog.create(name, in: folder)
    var ends: [Int] = [0]
    for record in records {
      try log.append(record)
      ends.append(try WholeFile.read(directory.path + "/a.log").count)
    }
    let bytes = try WholeFile.read(directory.path + "/a.log")
    for length in 0...bytes.count {
      let (parsed, end) = RecordLog.parse(Array(bytes.prefix(length)))
      let whole = ends.lastIndex { $0 <= length } ?? 0
      #expect(parsed == Array(records.prefix(whole)))
      #expect(end == ends[whole])
    }
    // A bit that fell over ends the log there.
    for place in bytes.indices {
      var broken = bytes
      broken[place] ^= 0x10
      let parsed = RecordLog.parse(broken).records
      #expect(parsed == Array(records.prefix(ends.lastIndex { $0 <= place } ?? 0)))
    }
  }

  @Test("parts lie one behind the other, and 5 TiB fit into ten thousand")
  func layout() {
    let layout = PartLayout()
    #expect(layout.count(5 << 40) <= 10_000)
    var offset: Int64 = 0
    for part in 0..<9_000 {
      let range = layout.range(part)
      #expect(range.lowerBound == offset)
      #expect(range.count >= 8 << 20 && range.count <= 5 << 30)
      #expect(layout.part(at: range.lowerBound) == part)
      #expect(layout.part(at: range.upperBound - 1) == part)
      offset = range.upperBound
    }
  }
}
