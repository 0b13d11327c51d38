import Glibc
import LinuxSystem
import ObjectStore
import SystemPackage
import TestSupport
import Testing

@testable import UnderFileSystem

@Suite("records of spools with changed bytes")
struct SpoolRecordFuzzTests {
  private static let version = ObjectVersion(size: 12_345, entityTag: EntityTag("tag-2"), lastModified: 1_700_000_000)
  private static let records: [SpoolRecord] = [
    .begin(key: Array("data/f".utf8), stamp: 7, base: version), .placed, .dirty(1), .upload(id: "upload"),
    .part(0, EntityTag("a")), .part(1, EntityTag("b")), .gone(0), .cut(1), .attempted, .completed(version), .emptied,
    .moved(key: Array("data/g".utf8), replaces: true), .stamp(key: Array("data/h".utf8), version: 3, stamp: 4),
    .unlinked,
  ]

  private func log() throws -> [UInt8] {
    let folder = try TemporaryDirectory("log")
    let descriptor = try Descriptor.open(folder.path, O_RDONLY | O_DIRECTORY)
    let log = try RecordLog.create(Array("x\0".utf8), in: descriptor)
    for record in Self.records { try log.append(record) }
    return try WholeFile.read(folder.appending("x"))
  }

  @Test("a log is read as far as it is whole, and no further", arguments: 1...10)
  func logs(seed: UInt64) throws {
    let whole = try log()
    #expect(RecordLog.parse(whole).records == Self.records)
    var random = SeededGenerator(seed: seed)
    for _ in 0..<300 {
      let changed = random.mutated(whole)
      let (records, end) = RecordLog.parse(changed)
      #expect(end <= changed.count)
      #expect(Self.records.starts(with: records), "seed \(seed)")
    }
    for length in 0..<whole.count {
      #expect(Self.records.starts(with: RecordLog.parse(Array(whole.prefix(length))).records))
    }
  }

  /// With checksums that are right, as a worker of another build could leave.
  @Test("whatever records say, what they come to is a file that can be asked for", arguments: 1...20)
  func states(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    for _ in 0..<100 {
      let changed = (0..<20).compactMap { _ -> SpoolRecord? in
        guard let record = Self.records.randomElement(using: &random) else { return nil }
        let bytes = random.mutated(record.encoded)
        guard let read = SpoolRecord(bytes[...]) else { return nil }
        // What is read is written so again, but for bytes that are no text.
        #expect(SpoolRecord(read.encoded[...]) == read, "seed \(seed)")
        return read
      }
      for first in [Self.records[0], .begin(key: [0x61], stamp: 1, base: nil)] {
        let state = try #require(SpoolState([first] + changed, layout: PartLayout(first: 8 << 20)))
        #expect((0...Spool.largest).contains(state.base?.size ?? 0), "seed \(seed)")
        #expect(state.parts.keys.allSatisfy { (0..<10_000).contains($0) }, "seed \(seed)")
        _ = state.localBytes(state.base?.size ?? 0)
      }
    }
  }
}
