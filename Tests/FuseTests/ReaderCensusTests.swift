import Testing

@testable import Fuse

@Suite("The census of reader threads")
struct ReaderCensusTests {
  /// A census, and the requests that its readers work on.
  private struct Scene {
    var census: ReaderCensus
    var busy: [ReaderCensus.Ticket] = []
    var wakes = 0

    init(_ limits: ReaderCensus.Limits = .init(least: 2)) { census = ReaderCensus(limits: limits) }

    mutating func take(_ count: Int = 1) {
      for _ in 0..<count {
        let (ticket, wakes) = census.tookRequest()
        busy.append(ticket)
        if wakes { self.wakes += 1 }
      }
    }

    /// The oldest request is answered.
    mutating func answer() -> ReaderCensus.Next { census.answered(busy.removeFirst()) }

    /// Requests that are answered as fast as they come, always more of them than readers.
    mutating func flood(looks: Int, wantsProcessors: (Int) -> Bool) -> Int {
      var added = 0
      for _ in 0..<looks {
        while !busy.isEmpty { if answer() == .rest { break } }
        take(census.waiting)
        let serving = busy.count
        let orders = census.look(backlog: true) { wantsProcessors(serving) }
        added += orders.makes + orders.calls
        for _ in 0..<orders.calls { _ = census.takeCall() }
        take(census.waiting)
      }
      return added
    }
  }

  @Test("one request at a time wakes nobody and is read by the same readers")
  func serial() {
    var scene = Scene()
    for _ in 0..<100 {
      scene.take()
      let next = scene.answer()
      #expect(next == .read)
    }
    #expect(scene.wakes == 0)
    #expect(scene.census.total == 2 && scene.census.waiting == 2)
  }

  @Test("the watch is woken once when no reader is left to wait, and sleeps again when requests end")
  func watchSleeps() {
    var scene = Scene()
    scene.take(2)
    #expect(scene.wakes == 1)
    _ = scene.answer()
    scene.take()
    #expect(scene.wakes == 1)
    _ = scene.answer()
    _ = scene.answer()
    var looks = 0
    while !scene.census.look(backlog: false, wantsProcessors: { false }).sleeps, looks < 1000 { looks += 1 }
    #expect(looks < 10)
    scene.take(2)
    #expect(scene.wakes == 2)
  }

  @Test("a reader that is stuck is made up for at the second look, so that the width goes on serving")
  func stuck() {
    var scene = Scene()
    scene.take(2)
    #expect(scene.census.look(backlog: false, wantsProcessors: { false }) == .init())
    #expect(scene.census.look(backlog: false, wantsProcessors: { false }) == .init(makes: 2))
    #expect(scene.census.total == 4 && scene.census.waiting == 2 && scene.census.stuck == 2)
    // The next two hang as well.
    scene.take(2)
    _ = scene.census.look(backlog: false, wantsProcessors: { false })
    #expect(scene.census.look(backlog: false, wantsProcessors: { false }) == .init(makes: 2))
    #expect(scene.census.total == 6 && scene.census.stuck == 4)
  }

  @Test("one that was stuck rests when enough others serve, is called before another is made, and goes after a rest")
  func resting() {
    var scene = Scene()
    scene.take(2)
    _ = scene.census.look(backlog: false, wantsProcessors: { false })
    _ = scene.census.look(backlog: false, wantsProcessors: { false })
    let freed = [scene.answer(), scene.answer()]
    #expect(freed == [.rest, .rest])
    #expect(scene.census.resting == 2 && scene.census.stuck == 0)
    let early = scene.census.takeCall()
    #expect(!early)
    scene.take(2)
    _ = scene.census.look(backlog: false, wantsProcessors: { false })
    #expect(scene.census.look(backlog: false, wantsProcessors: { false }) == .init(calls: 2))
    let calls = [scene.census.takeCall(), scene.census.takeCall(), scene.census.takeCall()]
    #expect(calls == [true, true, false])
    _ = scene.answer()
    scene.census.restingReaderGone()
    #expect(scene.census.total == 3 && scene.census.resting == 0)
  }

  @Test("there are never more readers than the limit, whatever hangs")
  func limit() {
    var scene = Scene(.init(least: 2, total: 5))
    for _ in 0..<20 {
      scene.take(scene.census.waiting)
      _ = scene.census.look(backlog: true, wantsProcessors: { false })
      #expect(scene.census.total <= 5)
    }
    #expect(scene.census.total == 5 && scene.census.waiting == 0)
    var single = Scene(.init(least: 2, total: 1))
    single.take()
    for _ in 0..<5 { #expect(single.census.look(backlog: true, wantsProcessors: { false }) == .init()) }
  }

  @Test("while requests go on waiting, readers that compute are as many as processors")
  func processorBound() {
    var scene = Scene(.init(least: 2, total: 96))
    _ = scene.flood(looks: 200) { $0 >= 4 }
    #expect(scene.census.width == 4)
    #expect(scene.census.total == 4)
  }

  @Test(
    "while requests go on waiting, readers that wait for a disk grow beyond the processors, and go back when it is calm"
  )
  func diskBound() {
    var scene = Scene(.init(least: 2, total: 96))
    _ = scene.flood(looks: 200) { _ in false }
    #expect(scene.census.width > 16)
    while !scene.busy.isEmpty { _ = scene.answer() }
    var looks = 0
    while !scene.census.look(backlog: false, wantsProcessors: { false }).sleeps, looks < 1000 { looks += 1 }
    #expect(scene.census.width == 2)
    // Those that wait are interrupted then, and go until the width is left.
    scene.take(1)
    let last = scene.answer()
    #expect(last == .rest)
    var gone = 0
    while scene.census.mayGoWhileWaiting() { gone += 1 }
    #expect(gone > 0 && scene.census.waiting == 2)
  }

  @Test("a reader that could not be made is not counted, and the next look tries again")
  func unmade() {
    var scene = Scene()
    scene.take(2)
    _ = scene.census.look(backlog: false, wantsProcessors: { false })
    #expect(scene.census.look(backlog: false, wantsProcessors: { false }).makes == 2)
    scene.census.waitingReaderGone()
    scene.census.waitingReaderGone()
    #expect(scene.census.total == 2)
    #expect(scene.census.look(backlog: false, wantsProcessors: { false }).makes == 2)
  }

  @Test("after a stop no reader is made and each goes with its request")
  func stop() {
    var scene = Scene()
    scene.take()
    scene.census.stop()
    scene.take()
    #expect(scene.wakes == 0)
    #expect(scene.census.look(backlog: true, wantsProcessors: { false }).makes == 0)
    let ends = [scene.answer(), scene.answer()]
    #expect(ends == [.leave, .leave] && scene.census.total == 0)
  }
}
