import Testing

@testable import Fuse

@Suite("The census of reader threads")
struct ReaderCensusTests {
  @Test("one request at a time makes no reader")
  func serial() {
    var census = ReaderCensus()
    for _ in 0..<100 {
      let answer1 = census.tookRequest()
      #expect(!answer1)
      let answer2 = census.answered()
      #expect(answer2)
    }
    #expect(census.total == 2 && census.waiting == 2)
  }

  @Test("a reader is made when the last one that waits takes a request")
  func grows() {
    var census = ReaderCensus()
    let answer3 = census.tookRequest()
    #expect(!answer3)
    let answer4 = census.tookRequest()
    #expect(answer4)
    #expect(census.total == 3 && census.waiting == 1)
  }

  @Test("requests that hang leave a reader waiting up to the limit, and never more readers than that")
  func limit() {
    var census = ReaderCensus(limits: .init(initial: 2, waiting: 3, total: 5))
    let made = (0..<5).map { _ in census.tookRequest() }
    #expect(made == [false, true, true, true, false])
    #expect(census.total == 5 && census.waiting == 0)
  }

  @Test("readers go when too many would wait, and come back down to the limit")
  func shrinks() {
    var census = ReaderCensus(limits: .init(initial: 2, waiting: 3, total: 16))
    for _ in 0..<8 { _ = census.tookRequest() }
    #expect(census.total == 9)
    let stayed = (0..<8).map { _ in census.answered() }
    #expect(stayed.filter { $0 }.count == 2)
    #expect(census.total == 3 && census.waiting == 3)
  }

  @Test("a reader that could not be made is not counted, and the next request tries again")
  func unmade() {
    var census = ReaderCensus(limits: .init(initial: 1, waiting: 2, total: 4))
    let answer5 = census.tookRequest()
    #expect(answer5)
    census.waitingReaderGone()
    #expect(census.total == 1 && census.waiting == 0)
    let answer6 = census.answered()
    #expect(answer6)
    let answer7 = census.tookRequest()
    #expect(answer7)
  }

  @Test("after a stop no reader is made and each goes with its request")
  func stop() {
    var census = ReaderCensus()
    _ = census.tookRequest()
    census.stop()
    let answer8 = census.tookRequest()
    #expect(!answer8)
    let first = census.answered()
    let second = census.answered()
    #expect(!first && !second && census.total == 0)
  }
}
