import LinuxSystem
import SystemPackage
import TestSupport
import Testing
import UnderFileSystem

@testable import VolumeFileSystem

@Suite("the pool of buffers")
struct BufferPoolTests {
  /// Somebody with room, who gives back what the test lets go.
  private final class Owner: RoomOwner {
    let surrendered = Events<Int>()
    let woken = Events<Bool>()
    func surrender(_ bytes: Int) { surrendered.add(bytes) }
    func wake() { woken.add(true) }
  }

  private static let grain = 16 << 10
  private static let page = 1 << 20

  private func pool(_ budget: Int = 4 << 20) throws -> BufferPool {
    try BufferPool(budget: budget, pageSize: Self.page, idleTime: .zero, counters: ReadCounters())
  }

  @Test("a budget below four pages is four pages")
  func smallestBudget() throws {
    #expect(try pool(1).budget == 4 << 20)
    #expect(try pool(10 << 20).budget == 10 << 20)
  }

  @Test("what is given out is counted, and comes back")
  func counted() throws {
    let (pool, owner) = (try pool(), Owner())
    #expect(pool.reserve(4 * Self.grain, for: owner) == .granted)
    let cell = pool.assign(PageGrid.bits(0, 3), to: nil)
    pool.giveBack(Self.grain, of: owner)
    #expect(pool.use.now == 3 * Self.grain)
    pool.release(cell, of: owner)
    #expect(pool.use.now == 0 && pool.use.peak == 4 * Self.grain)
    // Its pages stay for the next one.
    #expect(pool.use.resident == 3 * Self.grain)
    pool.trim()
    #expect(pool.use.resident == 0)
  }

  @Test("nobody gets more than the budget, and nothing counts as nothing")
  func tooMuch() throws {
    let (pool, owner) = (try pool(), Owner())
    #expect(pool.reserve((4 << 20) + Self.grain, for: owner) == .refused)
    #expect(pool.reserve(0, for: owner) == .granted)
    #expect(pool.use.now == 0)
  }

  @Test("one who waits has the room as soon as it is given back, and says before whose it should be")
  func waits() throws {
    let (pool, holder, other) = (try pool(), Owner(), Owner())
    #expect(pool.reserve(4 << 20, for: holder) == .granted)
    let answers = Events<BufferPool.Answer>()
    OwnThread.start { answers.add(pool.reserve(1 << 20, for: other)) }
    // It has asked who holds something.
    #expect(holder.surrendered[0] == 1 << 20)
    #expect(pool.isWanted)
    // Nobody passes one who waits.
    #expect(!pool.tryReserve(Self.grain, for: holder, isAhead: false))
    pool.giveBack(1 << 20, of: holder)
    #expect(answers[0] == .granted)
    #expect(!pool.isWanted)
    #expect(pool.use.now == 4 << 20)
  }

  @Test("read-ahead leaves a quarter to readers that wait, and shares the rest evenly")
  func shares() throws {
    let (pool, first, second) = (try pool(8 << 20), Owner(), Owner())
    #expect(pool.share == 6 << 20)
    #expect(pool.tryReserve(6 << 20, for: first, isAhead: true))
    #expect(!pool.tryReserve(Self.grain, for: first, isAhead: true))
    // The second asks the first for what is above its share, which it does not have.
    #expect(!pool.tryReserve(1 << 20, for: second, isAhead: true))
    #expect(first.surrendered.all == [3 << 20])
    #expect(pool.tryReserve(1 << 20, for: second, isAhead: false))
    #expect(pool.share == 3 << 20)
    pool.giveBack(4 << 20, of: first)
    #expect(pool.tryReserve(2 << 20, for: second, isAhead: true))
    #expect(!pool.tryReserve(1 << 20, for: second, isAhead: true))
  }

  @Test("many that hold little leave one that holds much nearly all of it")
  func manySmall() throws {
    let (pool, large) = (try pool(8 << 20), Owner())
    let small = (0..<64).map { _ in Owner() }
    for owner in small { #expect(pool.tryReserve(Self.grain, for: owner, isAhead: true)) }
    #expect(pool.share == 6 << 20 - 64 * Self.grain)
    #expect(pool.tryReserve(4 << 20, for: large, isAhead: true))
    // One of them that is about to hold more: half of what the others leave.
    #expect(!pool.tryReserve(3 << 20, for: small[0], isAhead: true))
    for owner in small { pool.giveBack(Self.grain, of: owner) }
    #expect(pool.share == 6 << 20)
  }

  @Test("pages in memory stay within the budget when cells are used in turn")
  func resident() throws {
    let (pool, owner) = (try pool(), Owner())
    let bytes = [UInt8](repeating: 7, count: Self.page)
    // Four whole cells, and then a grain of each of many.
    var cells: [Int] = []
    #expect(pool.reserve(4 << 20, for: owner) == .granted)
    for _ in 0..<4 {
      let cell = pool.assign(.max, to: nil)
      pool.memory.write(bytes, at: cell * pool.cellSize)
      cells.append(cell)
    }
    for cell in cells { pool.release(cell, of: owner) }
    #expect(try pool.memory.residentBytes() == 4 << 20)
    #expect(pool.reserve(200 * Self.grain, for: owner) == .granted)
    cells = (0..<200).map { _ in pool.assign(1, to: nil) }
    for cell in cells { pool.memory.write(Array(bytes.prefix(Self.grain)), at: cell * pool.cellSize) }
    #expect(Set(cells).count == 200)
    #expect(try pool.memory.residentBytes() <= 4 << 20)
    #expect(pool.use.resident <= 4 << 20)
    for cell in cells { pool.release(cell, of: owner) }
    #expect(pool.use.now == 0)
  }

  @Test("at the end who waits leaves, who holds is woken, and nobody gets anything any more")
  func end() throws {
    let (pool, holder, other) = (try pool(), Owner(), Owner())
    #expect(pool.reserve(4 << 20, for: holder) == .granted)
    let answers = Events<BufferPool.Answer>()
    OwnThread.start { answers.add(pool.reserve(1 << 20, for: other)) }
    holder.surrendered.wait(for: 1)
    pool.end()
    #expect(answers[0] == .ended)
    #expect(holder.woken.all == [true])
    pool.giveBack(4 << 20, of: holder)
    #expect(pool.reserve(Self.grain, for: other) == .ended)
    #expect(!pool.tryReserve(Self.grain, for: other, isAhead: false))
    #expect(pool.use.now == 0)
  }
}

@Suite("what a read costs that finds its bytes", .serialized)
struct ReadCostTests {
  private func nanoseconds(_ count: Int, _ body: (Int) throws -> Void) rethrows -> Int {
    let start = ContinuousClock.now
    for index in 0..<count { try body(index) }
    let time = (ContinuousClock.now - start).components
    return Int((time.seconds * 1_000_000_000 + time.attoseconds / 1_000_000_000) / Int64(count))
  }

  /// Printed for whoever changes something; a debug build says little.
  @Test("in memory and in a page store, beside a plain copy", arguments: [4 << 10, 128 << 10])
  func hits(count: Int) throws {
    let cache = PagesInMemory()
    let size: Int64 = 8 << 20
    var buffer = [UInt8](repeating: 0, count: count)
    let places = Int(size) / count
    func time(_ file: any OpenFile) throws -> Int {
      try nanoseconds(2000) { index in
        var span = buffer.mutableSpan
        var raw = span.mutableBytes
        let got = try file.read(into: &raw, at: Int64(index % places * count))
        if got != count { Issue.record("a read is short") }
      }
    }
    let memory = try AnonymousMemory(byteCount: Int(size))
    memory.write([UInt8](repeating: 1, count: Int(size)), at: 0)
    let plain = nanoseconds(2000) { index in
      var span = buffer.mutableSpan
      var raw = span.mutableBytes
      memory.read(into: &raw, range: 0..<count, at: index % places * count)
    }
    let scene = try ReadingScene(cache: cache)
    let file = scene.open(ScriptedFile(size: size))
    for place in 0..<8 { _ = try file.bytes(1 << 20, at: Int64(place) << 20) }
    cache.fills.wait(for: 8)
    let fromPages = try time(file)
    // A page that is read in part stays in memory.
    let small = try ReadingScene().open(ScriptedFile(size: 1 << 20))
    let inMemory = try nanoseconds(2000) { _ in
      var span = buffer.mutableSpan
      var raw = span.mutableBytes
      _ = try small.read(into: &raw, at: 4096)
    }
    print("read of \(count) bytes: copy \(plain) ns, memory \(inMemory) ns, page store \(fromPages) ns")
    #expect(scene.counters.bytesFetched == Int(size))
  }
}
