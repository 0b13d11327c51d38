import LinuxSystem
import SystemPackage
import Testing
import UnderFileSystem

@testable import VolumeFileSystem

@Suite("bytes of reads that are lent")
struct LentBytesTests {
  private static let mib = 1 << 20

  private func reader(_ scene: ReadingScene, _ source: ScriptedFile) -> FileReader {
    FileReader(source, source.contentVersion, scene.parts)
  }

  /// - Returns: the answer, and the buffer, which was full of 0xEE.
  private func answer(_ reader: FileReader, _ count: Int, at offset: Int) throws(Errno) -> (ReadAnswer, [UInt8]) {
    var bytes = [UInt8](repeating: 0xEE, count: count)
    var span = bytes.mutableSpan
    var raw = span.mutableBytes
    let answer = try reader.answer(into: &raw, at: Int64(offset))
    return (answer, bytes)
  }

  private func lent(_ answer: ReadAnswer) -> LentBytes? {
    if case .lent(let bytes) = answer { bytes } else { nil }
  }

  private func content(_ lent: LentBytes) -> [UInt8] {
    var all: [UInt8] = []
    lent.forEachPart { part in part.withUnsafeBytes { all += $0 } }
    return all
  }

  @Test("what is in memory is lent, of two pages too, and the buffer is left alone")
  func inMemory() throws {
    let scene = try ReadingScene()
    let source = ScriptedFile(size: 5 << 20)
    let reader = reader(scene, source)
    let (answer, buffer) = try answer(reader, 300_000, at: Self.mib - 100_000)
    let bytes = try #require(lent(answer))
    #expect(bytes.byteCount == 300_000)
    #expect(source.has(content(bytes), at: Int64(Self.mib - 100_000)))
    #expect(buffer.allSatisfy { $0 == 0xEE })
  }

  @Test("what is lent stays when its file is closed, and its room is free when it is let go of")
  func closed() throws {
    let scene = try ReadingScene(budget: 4 << 20)
    do {
      let source = ScriptedFile(size: 300_000)
      let reader = reader(scene, source)
      let bytes = try #require(lent(try answer(reader, 300_000, at: 0).0))
      reader.close()
      scene.pool.trim()
      let other = lent(try answer(self.reader(scene, ScriptedFile(size: 3 << 20, tag: "2")), 4096, at: 0).0)
      #expect(other?.byteCount == 4096)
      #expect(source.has(content(bytes), at: 0))
    }
    scene.pool.trim()
    #expect(scene.pool.use.now == 0)
  }

  @Test("a read that finds a part in the page store is copied as a whole")
  func mixed() throws {
    let cache = PagesInMemory()
    let scene = try ReadingScene(cache: cache)
    let source = ScriptedFile(size: 2 << 20)
    let first = reader(scene, source)
    for page in 0..<2 { _ = try answer(first, Self.mib, at: page * Self.mib) }
    cache.fills.wait(for: 2)
    first.close()
    cache.forget(page: 0)
    let (answer, buffer) = try answer(reader(scene, source), Self.mib, at: Self.mib / 2)
    #expect(lent(answer) == nil)
    #expect(source.has(buffer, at: Int64(Self.mib / 2)))
  }

  @Test("a reader that has to wait for room keeps no page from others")
  func room() throws {
    let scene = try ReadingScene(budget: 4 << 20)
    let source = ScriptedFile(size: 64 << 20)
    let reader = reader(scene, source)
    // Larger than the pool: it could never be lent as a whole.
    let (answer, buffer) = try answer(reader, 9 << 20, at: 1000)
    #expect(lent(answer) == nil)
    #expect(source.has(buffer, at: 1000))
  }
}
