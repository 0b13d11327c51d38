import LinuxSystem
import ObjectStore
import Synchronization
import SystemPackage
import TestSupport
import Testing

@testable import UnderFileSystem

@Suite("objects that are read in ranges")
struct ObjectRangeTests {
  /// A bucket in memory is done before `fetch` returns.
  private final class Kept: RangeSink {
    private let state = Mutex<(bytes: [UInt8], end: Errno??)>(([], nil))

    var bytes: [UInt8] { state.withLock { $0.bytes } }
    /// nil: it was not told the end.
    var end: Errno?? { state.withLock { $0.end } }

    func receive(_ bytes: RawSpan) -> Bool {
      state.withLock { $0.bytes += bytes.bytes }
      return true
    }
    func finish(_ error: Errno?) { state.withLock { $0.end = .some(error) } }
  }

  private func ranged(_ volume: ObjectVolume, _ path: String, _ access: FileAccess = .read) throws -> any RangedFile {
    try #require(try volume.node(path).open(access, caller: root).ranged)
  }

  private func fetch(_ range: Range<Int64>, of file: any RangedFile, _ version: ContentVersion? = nil) -> Kept {
    let kept = Kept()
    _ = file.fetch(range, of: version ?? file.contentVersion, into: kept)
    return kept
  }

  @Test("a range comes as it is in the version, for who only reads and for who may write", arguments: [false, true])
  func range(writes: Bool) throws {
    let volume = try ObjectVolume(spools: smallParts)
    let tag = volume.bucket.set("data/f", "0123456789")
    let file = try ranged(volume, "f", writes ? .readWrite : .read)
    let wanted = ContentVersion(
      source: Array("memory".utf8), path: Array("data/f".utf8), tag: Array(tag.value.utf8), size: 10)
    #expect(file.contentVersion == wanted)
    #expect(!file.isWritten)
    let kept = fetch(3..<7, of: file)
    #expect(kept.bytes == Array("3456".utf8) && kept.end == .some(nil))
  }

  @Test(
    "an object that others replaced or removed is stale, and hands over none of its bytes", arguments: [false, true])
  func replaced(ignoresConditions: Bool) throws {
    var manners = InMemoryBucket.Manners()
    manners.ignoresConditions = ignoresConditions
    let volume = ObjectVolume(InMemoryBucket(manners), timeout: 0)
    volume.bucket.set("data/f", "first")
    let file = try ranged(volume, "f")
    let version = file.contentVersion
    volume.bucket.set("data/f", "other")
    for _ in 0..<2 {
      let kept = fetch(0..<5, of: file, version)
      #expect(kept.bytes == [] && kept.end == .some(.staleNFSFileHandle))
      #expect(try !file.follow())
      #expect(file.revision == 0 && file.contentVersion == version)
      volume.bucket.remove("data/f")
    }
  }

  @Test("what this mount has written is another version for who had the old one open")
  func written() throws {
    let volume = try ObjectVolume(spools: smallParts)
    volume.bucket.set("data/f", "0123456789")
    let reader = try ranged(volume, "f")
    let old = reader.contentVersion
    let node = try volume.node("f")
    let writer = try node.open(.readWrite, caller: root)
    try writer.write(Array("abc".utf8), at: 0)
    #expect(reader.isWritten && reader.revision == 0)
    try writer.flush()
    node.lastWriterClosed()
    #expect(!reader.isWritten && reader.revision == 1)
    let new = reader.contentVersion
    #expect(new != old && new.size == 10)
    #expect(fetch(0..<10, of: reader, new).bytes == Array("abc3456789".utf8))
    #expect(fetch(0..<10, of: reader, old).end == .some(.staleNFSFileHandle))
    // Once more, shorter.
    let again = try node.open(.readWrite, caller: root)
    try again.truncate(to: 4)
    try again.flush()
    node.lastWriterClosed()
    #expect(reader.revision == 2 && reader.contentVersion.size == 4)
    #expect(reader.revision == 2)
  }

  @Test("a file that this mount renames is read on where it is now, other files' changes mean nothing")
  func renamed() throws {
    let volume = ObjectVolume()
    for name in ["data/f", "data/other"] { volume.bucket.set(ObjectKey(name), "0123456789") }
    let (file, other) = (try ranged(volume, "f"), try ranged(volume, "other"))
    let old = file.contentVersion
    try volume.root.rename("f", to: volume.root, named: "g", flags: [], caller: root)
    #expect(fetch(0..<10, of: file, old).bytes == Array("0123456789".utf8))
    #expect(file.revision == 1 && other.revision == 0)
    #expect(file.contentVersion.path == Array("data/g".utf8))
    #expect(fetch(2..<4, of: file).bytes == Array("23".utf8))
  }

  @Test("where the versions that this mount made are forgotten, the store is asked after ESTALE")
  func forgotten() throws {
    let volume = try ObjectVolume(spools: smallParts)
    volume.bucket.set("data/f", "0123456789")
    let reader = try ranged(volume, "f")
    let node = try volume.node("f")
    let writer = try node.open(.readWrite, caller: root)
    try writer.write(Array("abc".utf8), at: 0)
    try writer.flush()
    node.lastWriterClosed()
    volume.ufs.tree.forget(volume.ufs.keys.root.child(Array("f".utf8)))
    #expect(reader.revision == 0)
    #expect(fetch(0..<10, of: reader).end == .some(.staleNFSFileHandle))
    #expect(try reader.follow())
    #expect(reader.revision == 1)
    #expect(fetch(0..<3, of: reader).bytes == Array("abc".utf8))
  }

  @Test("an error that the number does not tell is logged with what the store said, a cancelled range is not")
  func errors() throws {
    let faults = BucketFaults()
    let volume = ObjectVolume(InMemoryBucket(fault: faults.fault))
    volume.bucket.set("data/f", "0123456789")
    let file = try ranged(volume, "f")
    let cases: [(BucketError.Kind, Errno, isLogged: Bool)] = [
      (.unreachable, .ioError, true), (.forbidden, .permissionDenied, true), (.late, .timedOut, true),
      (.cancelled, .canceled, false), (.notFound, .staleNFSFileHandle, false),
      (.precondition, .staleNFSFileHandle, false), (.range, .staleNFSFileHandle, false),
    ]
    for (kind, number, isLogged) in cases {
      let before = volume.log.failed.count
      faults.set { call, _, isDone in
        call == .read && !isDone ? BucketError(kind, "request 4711") : nil
      }
      #expect(fetch(0..<10, of: file).end == .some(number), "\(kind)")
      let logged = volume.log.failed.dropFirst(before)
      #expect(logged.map { $0.contains("data/f") && $0.contains("4711") } == (isLogged ? [true] : []), "\(kind)")
    }
  }

  @Test("a volume with files that a worker before was writing ends with its last user")
  func end() throws {
    let bucket = InMemoryBucket()
    let folder = try TemporaryDirectory("spools")
    weak var ended: ObjectFileSystem?
    do {
      let volume = try ObjectVolume(bucket, spools: smallParts, folder: folder)
      let (file, _) = try volume.create("f")
      try file.write(letters(10), at: 0)
    }
    do {
      let next = try ObjectVolume(bucket, spools: smallParts, folder: folder)
      ended = next.ufs
      try next.ufs.adoptSpools(isSameMount: true)
      #expect(try next.node("f").attributes().size == 10)
    }
    #expect(ended == nil)
  }
}
