import LinuxSystem
import TestSupport
import Testing

@testable import PageStore

@Suite("The format of a page store's files")
struct FormatTests {
  private func anyFooter(_ generator: inout SeededGenerator) -> (footer: PageFileFooter, identity: [UInt8])? {
    let identity = generator.bytes(count: Int.random(in: 1...2000, using: &generator))
    let size = Int64.random(in: 1...(1 << 40), using: &generator)
    let pageSize = 1 << Int.random(in: 16...24, using: &generator)
    guard let layout = PageLayout(size: size, pageSize: pageSize, identityLength: identity.count) else { return nil }
    return (PageFileFooter(layout: layout, id: FileVersionID(identity: identity)), identity)
  }

  @Test("a footer is read back as it was written")
  func roundTrip() throws {
    var generator = SeededGenerator(seed: 31)
    for _ in 0..<500 {
      let (footer, identity) = try #require(anyFooter(&generator))
      let bytes = footer.encoded(identity: identity)
      let end = Array(bytes.suffix(64))
      let read = try #require(PageFileFooter(end, fileLength: footer.layout.fileLength))
      #expect(read == footer)
      #expect(read.isValid(end, identity: identity))
    }
  }

  @Test("a footer with any byte changed, or of a file of another length, is none")
  func damaged() throws {
    var generator = SeededGenerator(seed: 32)
    let (footer, identity) = try #require(anyFooter(&generator))
    let length = footer.layout.fileLength
    let bytes = Array(footer.encoded(identity: identity).suffix(64))
    for index in 0..<64 {
      for bit in 0..<8 {
        var changed = bytes
        changed[index] ^= 1 << UInt8(bit)
        let read = PageFileFooter(changed, fileLength: length)
        let isTaken = read?.isValid(changed, identity: identity) ?? false
        #expect(!isTaken, "byte \(index), bit \(bit)")
      }
    }
    for other in [length - 1, length + 1, 64, 0, Int64.max] {
      #expect(PageFileFooter(bytes, fileLength: other) == nil)
    }
    #expect(PageFileFooter(Array(bytes.dropLast()), fileLength: length) == nil)
  }

  @Test("no bytes make the parsers of the footer and the order trap")
  func fuzz() {
    var generator = SeededGenerator(seed: 33)
    for round in 0..<20_000 {
      var bytes = generator.bytes(count: 64)
      if round % 2 == 0 {
        var magic: [UInt8] = []
        magic.append(littleEndian: PageFileFooter.magic)
        bytes.replaceSubrange(0..<8, with: magic)
      }
      if round % 4 == 0 { bytes.replaceSubrange(16..<24, with: [0, 0, 16, 0, 100, 0, 0, 0]) }
      let length = round % 3 == 0 ? Int64.random(in: 0...Int64.max, using: &generator) : Int64(1 << 20)
      _ = PageFileFooter(bytes, fileLength: length)
      var order = generator.bytes(count: Int.random(in: 0...200, using: &generator))
      let start: [UInt8] = Array("ALXORDR1".utf8) + [0, 0, 1, 0, 0, 0, 0, 0]
      if round % 2 == 0, order.count >= 16 { order.replaceSubrange(0..<16, with: start) }
      let entries = OrderFile.decode(order, pageSize: 65_536)
      #expect(entries == nil || entries?.isEmpty == true)
    }
  }

  @Test("an order is read back as it was written, and not by a store with other pages")
  func order() throws {
    let index = PageIndex(pageSize: 65_536)
    for number in 0..<100 {
      let id = FileVersionID(high: UInt64(number), low: UInt64(number) &* 7919)
      index.insert(PageIndex.Page(id: id, page: UInt32(number % 3), size: 200_000))
      if number % 2 == 0 { index.touch(id, page: Int64(number % 3)) }
    }
    let bytes = OrderFile.encode(pageSize: 65_536, index)
    let entries = try #require(OrderFile.decode(bytes, pageSize: 65_536))
    #expect(entries.count == 100)
    #expect(entries.filter { $0.reads == 1 }.count == 50)
    #expect(OrderFile.decode(bytes, pageSize: 1 << 20) == nil)
    let again = PageIndex(pageSize: 65_536)
    for entry in entries { again.insert(entry.page, past: (entry.queue, entry.reads)) }
    #expect(OrderFile.encode(pageSize: 65_536, again) == bytes)
    #expect(again.presumedFiles().count == 100)
  }

  @Test("names of versions are 32 digits, and nothing else is a name")
  func names() throws {
    let id = FileVersionID(high: 0x0123_4567_89AB_CDEF, low: 0xFEDC_BA98_7654_3210)
    #expect(id.pathName == Array("01/23456789abcdeffedcba9876543210".utf8) + [0])
    #expect(FileVersionID(folder: Array("01".utf8), name: Array("23456789abcdeffedcba9876543210".utf8)) == id)
    for (folder, name) in [
      ("01", "23456789ABCDEFFEDCBA9876543210"), ("01", "2345"), ("0", "123456789abcdeffedcba98765432101"),
      ("..", "23456789abcdeffedcba9876543210"), ("01", "23456789abcdeffedcba987654321/"),
    ] {
      #expect(FileVersionID(folder: Array(folder.utf8), name: Array(name.utf8)) == nil)
    }
  }
}
