import Testing

@testable import VolumeFileSystem

@Suite("the read-ahead window")
struct ReadAheadWindowTests {
  private static let kib: Int64 = 1 << 10
  private static let mib: Int64 = 1 << 20

  /// One read and what is to be said to it, in KiB.
  struct Step: Sendable, CustomStringConvertible {
    var start: Int64
    var count: Int64
    var pattern: ReadAheadWindow.Pattern
    /// nil: nothing ahead.
    var ahead: Range<Int64>?
    var description: String { "\(count) KiB at \(start) KiB" }

    init(_ start: Int64, _ count: Int64, _ pattern: ReadAheadWindow.Pattern, ahead: Range<Int64>? = nil) {
      (self.start, self.count, self.pattern, self.ahead) = (start, count, pattern, ahead)
    }
  }

  struct Case: Sendable, CustomStringConvertible {
    var description: String
    /// Of the file, and of a window, in KiB.
    var size: Int64 = 1 << 20
    var limit: Int64 = 16 << 10
    var steps: [Step]
  }

  static let cases = [
    Case(
      description: "a small file is asked for as a whole", size: 1024,
      steps: [Step(0, 4, .whole), Step(512, 4, .whole), Step(4, 4, .whole)]),
    Case(
      description: "the window of one who reads on doubles up to the limit", limit: 4 << 10,
      steps: [
        Step(0, 128, .sequential),
        // First window: four reads; ends lie on whole MiB.
        Step(128, 128, .sequential),
        Step(256, 256, .sequential, ahead: nil), Step(512, 512, .sequential, ahead: 1024..<2048),
        Step(1024, 512, .sequential, ahead: 2048..<4096), Step(1536, 512, .sequential),
        Step(2048, 1024, .sequential, ahead: 4096..<7168), Step(3072, 1024, .sequential),
        Step(4096, 1024, .sequential, ahead: 7168..<9216), Step(5120, 1024, .sequential),
        Step(6144, 1024, .sequential, ahead: 9216..<11264),
      ]),
    Case(
      description: "reads that arrive out of order are one stream",
      steps: [
        Step(0, 128, .sequential), Step(256, 128, .sequential), Step(128, 128, .sequential),
        Step(512, 128, .sequential),
        Step(384, 128, .sequential), Step(768, 128, .sequential, ahead: 1024..<2048), Step(640, 128, .sequential),
      ]),
    Case(
      description: "random reads of 4 KiB ask for nothing ahead",
      steps: [5000, 90_000, 7, 40_000, 300_000, 12_345, 700_000, 1000, 50_000].map { Step($0, 4, .random) }),
    Case(
      description: "two streams, each with its window",
      steps: [
        Step(0, 512, .sequential), Step(500_000, 512, .random), Step(512, 512, .sequential, ahead: 1024..<2048),
        Step(500_512, 512, .sequential, ahead: 501_024..<502_784),
        Step(1024, 512, .sequential, ahead: 2048..<4096),
      ]),
    Case(
      description: "nothing is asked for behind the end", size: 3000,
      steps: [
        Step(0, 1024, .sequential), Step(1024, 1024, .sequential, ahead: 2048..<3000), Step(2048, 952, .sequential),
      ]),
    Case(
      description: "without room for read-ahead nothing is asked for ahead", limit: 0,
      steps: [Step(0, 1024, .sequential), Step(1024, 1024, .sequential), Step(2048, 1024, .sequential)]),
  ]

  @Test("each read gets its advice", arguments: cases)
  func table(_ example: Case) {
    var window = ReadAheadWindow(size: example.size << 10)
    for step in example.steps {
      let range = step.start << 10..<(step.start + step.count) << 10
      let advice = window.read(range, limit: example.limit << 10)
      #expect(advice.pattern == step.pattern, "\(step)")
      let ahead = advice.ahead.map { $0.lowerBound >> 10..<$0.upperBound >> 10 }
      #expect(ahead == step.ahead, "\(step)")
      #expect(advice.demand.lowerBound <= range.lowerBound && advice.demand.upperBound >= range.upperBound, "\(step)")
      #expect(advice.demand.upperBound <= example.size << 10, "\(step)")
    }
  }

  @Test("random reads shrink the window of a stream that stands still, and not of one that goes on")
  func shrinks() {
    var window = ReadAheadWindow(size: 1 << 40)
    func advance(_ start: Int64) -> Range<Int64>? {
      window.read(start * Self.mib..<(start + 1) * Self.mib, limit: 16 * Self.mib).ahead
    }
    for place in 0..<20 { _ = advance(Int64(place)) }
    // Goes on between random reads: as far ahead as the limit.
    var last: Range<Int64>?
    for place in 20..<40 {
      _ = window.read((500 + Int64(place) * 777) * Self.mib..<(500 + Int64(place) * 777) * Self.mib + 4096, limit: .max)
      last = advance(Int64(place)) ?? last
    }
    #expect((last?.upperBound ?? 0) - 39 * Self.mib > 10 * Self.mib)
    for place in 1..<5 {
      let start = Int64(place) * 100_000 * Self.mib
      _ = window.read(start..<start + 4096, limit: 16 * Self.mib)
    }
    // Three of the four halved it.
    var next: Range<Int64>?
    var place: Int64 = 40
    while next == nil {
      next = advance(place)
      place += 1
    }
    #expect((next?.count ?? 0) <= 6 << 20)
  }

  @Test("requests grow from 1 MiB to 8 MiB")
  func requests() {
    var window = ReadAheadWindow(size: 1 << 40)
    var requests: Set<Int64> = []
    for place in 0..<400 {
      let start = Int64(place) * Self.mib
      let advice = window.read(start..<start + Self.mib, limit: 64 * Self.mib)
      if advice.ahead != nil { requests.insert(advice.request) }
    }
    #expect(requests == [1 << 20, 2 << 20, 4 << 20, 8 << 20])
  }

  @Test("what there was no room for is asked for at the next read")
  func notAsked() {
    var window = ReadAheadWindow(size: 1 << 40)
    _ = window.read(0..<Self.mib, limit: 8 * Self.mib)
    let ahead = window.read(Self.mib..<2 * Self.mib, limit: 8 * Self.mib).ahead
    #expect(ahead == 2 * Self.mib..<3 * Self.mib)
    window.notAsked(from: 2 * Self.mib, of: 2 * Self.mib..<3 * Self.mib)
    let again = window.read(2 * Self.mib..<2 * Self.mib + 4096, limit: 8 * Self.mib).ahead
    #expect(again?.lowerBound == 2 * Self.mib + 4096)
  }

  @Test("what a forgotten stream had asked for is given up")
  func abandons() {
    var window = ReadAheadWindow(size: 1 << 40)
    _ = window.read(0..<Self.mib, limit: 8 * Self.mib)
    let ahead = window.read(Self.mib..<2 * Self.mib, limit: 8 * Self.mib).ahead
    var abandoned: Range<Int64>?
    for place in 1...6 {
      let start = Int64(place) * 100_000 * Self.mib
      abandoned = abandoned ?? window.read(start..<start + 4096, limit: 8 * Self.mib).abandoned
    }
    #expect(abandoned == ahead)
  }
}

@Suite("who gets room first")
struct RoomQueueTests {
  private final class Owner {}
  private let first = Owner()
  private let second = Owner()

  @Test("one file with many readers keeps no other waiting")
  func fairness() {
    var queue = RoomQueue()
    let (a, b) = (ObjectIdentifier(first), ObjectIdentifier(second))
    for _ in 0..<20 { _ = queue.add(a, bytes: 10) }
    let other = queue.add(b, bytes: 10)
    var held = [a: 10, b: 0]
    let next = queue.next(free: 10) { held[$0] ?? 0 }
    #expect(next?.ticket == other)
    held[b] = 20
    let then = queue.next(free: 10) { held[$0] ?? 0 }
    #expect(then?.ticket == 1)
  }

  @Test("nobody overtakes one who needs more than is free")
  func noOvertaking() {
    var queue = RoomQueue()
    let large = queue.add(ObjectIdentifier(first), bytes: 100)
    _ = queue.add(ObjectIdentifier(first), bytes: 1)
    let none = queue.next(free: 50) { _ in 0 }
    #expect(none == nil)
    let next = queue.next(free: 100) { _ in 0 }
    #expect(next?.ticket == large)
    queue.remove(2)
    #expect(queue.isEmpty)
  }
}

@Suite("pages and grains")
struct PageGridTests {
  @Test("masks of ranges, at the ends of pages and of the file", arguments: [64 << 10, 1 << 20, 16 << 20])
  func masks(pageSize: Int) {
    let grid = PageGrid(size: Int64(pageSize) * 2 + 5, pageSize: pageSize)
    let grain = Int64(grid.grain)
    let full = PageGrid.bits(0, pageSize / grid.grain)
    #expect(grid.all(of: 0) == full && grid.all(of: 1) == full && grid.all(of: 2) == 1)
    #expect(grid.length(of: 2) == 5)
    #expect(grid.mask(0..<1, in: 0) == 1)
    #expect(grid.mask(grain - 1..<grain + 1, in: 0) == 3)
    #expect(grid.mask(grain..<2 * grain, in: 0) == 2)
    #expect(grid.mask(Int64(pageSize) - 1..<Int64(pageSize) + 1, in: 1) == 1)
    #expect(grid.inner(1..<2 * grain, of: 0) == 2)
    #expect(grid.inner(0..<2 * grain - 1, of: 0) == 1)
    #expect(grid.inner(0..<grid.size, of: 2) == 1)
    #expect(grid.inner(0..<grid.size - 1, of: 2) == 0)
    #expect(grid.aligned(1..<grid.size) == 0..<grid.size)
    #expect(grid.aligned(grain + 1..<grain + 2) == grain..<2 * grain)
  }
}
