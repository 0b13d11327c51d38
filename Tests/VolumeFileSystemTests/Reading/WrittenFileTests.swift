import LinuxSystem
import Synchronization
import SystemPackage
import Testing
import UnderFileSystem

@testable import VolumeFileSystem

@Suite("files that this mount writes while they are read")
struct WrittenFileTests {
  @Test("what is written is read at once, and the new version after it")
  func written() throws {
    let scene = try ReadingScene()
    let source = WrittenFile()
    let file = CachingFile(source, scene.parts)
    let (old, new) = (ScriptedFile(size: 5000, seed: 1), ScriptedFile(size: 7000, seed: 2))
    #expect(old.has(try file.bytes(10_000, at: 0), at: 0))
    source.write()
    #expect(try file.bytes(10_000, at: 0) == [9, 9, 9])
    source.complete()
    let bytes = try file.bytes(10_000, at: 0)
    #expect(bytes.count == 7000 && new.has(bytes, at: 0))
    #expect(scene.counters.bytesFetched == 12_000 && scene.counters.openFiles == 1)
    #expect(scene.pool.use.now == 0)
  }
}

/// A file of two versions and what is written in between.
private final class WrittenFile: RangedFile {
  private let old = ScriptedFile(size: 5000, seed: 1)
  private let new = ScriptedFile(size: 7000, tag: "2", seed: 2)
  private let step = Atomic(0)

  func write() { step.store(1, ordering: .relaxed) }
  func complete() { step.store(2, ordering: .relaxed) }

  private var current: ScriptedFile { revision == 2 ? new : old }
  var revision: Int { step.load(ordering: .relaxed) & 2 }
  var isWritten: Bool { step.load(ordering: .relaxed) == 1 }
  var contentVersion: ContentVersion { current.contentVersion }
  var access: FileAccess { .read }
  var ranged: (any RangedFile)? { self }
  func fetch(_ range: Range<Int64>, of version: ContentVersion, into sink: any RangeSink) -> any RangeTransfer {
    (version == old.contentVersion ? old : new).fetch(range, of: version, into: sink)
  }

  func attributes() throws(Errno) -> Attributes { try current.attributes() }
  func read(into buffer: inout MutableRawSpan, at offset: Int64) throws(Errno) -> Int {
    for index in 0..<3 { buffer.storeBytes(of: 9, toByteOffset: index, as: UInt8.self) }
    return 3
  }
  func write(_ bytes: RawSpan, at offset: Int64, durability: WriteDurability) throws(Errno) -> Int { 0 }
  func truncate(to size: Int64) throws(Errno) {}
  func allocate(mode: Int32, offset: Int64, length: Int64) throws(Errno) {}
  func seek(to offset: Int64, whence: Int32) throws(Errno) -> Int64 { 0 }
  func copy(from source: any OpenFile, at sourceOffset: Int64, to offset: Int64, length: Int) throws(Errno) -> Int { 0 }
  func synchronize() throws(Errno) {}
  func flush() throws(Errno) {}
  func changeMode(_ mode: UInt32) throws(Errno) {}
}
