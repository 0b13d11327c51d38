/// How a file divides into pages and these into grains, the least that is asked for and kept. A set of grains of one page
/// is a mask, the first of them its lowest bit.
struct PageGrid: Sendable, Hashable {
  /// Bytes of the file.
  let size: Int64
  let pageSize: Int
  /// Bytes of a grain: 16 KiB, more where a page would have over 64.
  let grain: Int

  /// - Parameter pageSize: a power of two from 64 KiB on.
  init(size: Int64, pageSize: Int) {
    self.size = size
    self.pageSize = pageSize
    grain = Self.grain(pageSize: pageSize)
  }

  static func grain(pageSize: Int) -> Int { max(16 << 10, pageSize / 64) }

  func page(at offset: Int64) -> Int64 { offset / Int64(pageSize) }
  func start(of page: Int64) -> Int64 { page * Int64(pageSize) }
  /// The last page ends with the file.
  func end(of page: Int64) -> Int64 { min(size, start(of: page) + Int64(pageSize)) }
  func length(of page: Int64) -> Int { Int(end(of: page) - start(of: page)) }

  /// All grains of the page.
  func all(of page: Int64) -> UInt64 { mask(start(of: page)..<end(of: page), in: page) }

  /// Grains of the page that hold bytes of the range.
  func mask(_ range: Range<Int64>, in page: Int64) -> UInt64 {
    let start = start(of: page)
    let (lower, upper) = (max(range.lowerBound, start), min(range.upperBound, end(of: page)))
    guard lower < upper else { return 0 }
    return Self.bits(Int(lower - start) / grain, (Int(upper - start) + grain - 1) / grain)
  }

  /// Grains of the page all bytes of which lie in the range.
  func inner(_ range: Range<Int64>, of page: Int64) -> UInt64 {
    let start = start(of: page)
    let (lower, upper) = (max(range.lowerBound, start), min(range.upperBound, end(of: page)))
    guard lower < upper else { return 0 }
    let last = upper == end(of: page) ? (Int(upper - start) + grain - 1) / grain : Int(upper - start) / grain
    let first = (Int(lower - start) + grain - 1) / grain
    return first < last ? Self.bits(first, last) : 0
  }

  /// The offset at which the grain of the page begins; past the last one the end of the page.
  func offset(of index: Int, in page: Int64) -> Int64 { min(start(of: page) + Int64(index * grain), end(of: page)) }

  /// The range made longer so that it consists of whole grains.
  func aligned(_ range: Range<Int64>) -> Range<Int64> {
    let grain = Int64(grain)
    return range.lowerBound / grain * grain..<min(size, (range.upperBound + grain - 1) / grain * grain)
  }

  func pages(_ range: Range<Int64>) -> ClosedRange<Int64> {
    page(at: range.lowerBound)...page(at: max(range.lowerBound, range.upperBound - 1))
  }

  /// Bits from `first` up to and without `end`, at most 64.
  static func bits(_ first: Int, _ end: Int) -> UInt64 {
    let upper = end >= 64 ? UInt64.max : (1 << UInt64(end)) - 1
    return first >= 64 ? 0 : upper & ~((1 << UInt64(first)) - 1)
  }
}
