import Testing

@testable import CSIDriver

@Suite("The division of a node's page store")
struct PageStoreDivisionTests {
  private func used(
    _ name: String, quota: Int64 = 1_000, wanted: Int64, bytes: Int64 = 0, isMeasured: Bool = false
  ) -> PageStoreDivision.Used {
    PageStoreDivision.Used(name: name, quota: quota, wanted: wanted, bytes: bytes, isMeasured: isMeasured)
  }

  @Test("what volumes left behind stays as long as nobody wants its place")
  func roomForAll() {
    let idle = [PageStoreDivision.Idle(name: "old", bytes: 300, lastUse: 1)]
    let division = PageStoreDivision(total: 1_000, used: [used("a", wanted: 200)], idle: idle)
    #expect(division.shrinking.isEmpty)
    #expect(division.allowances == ["a": 700])
  }

  @Test("the folder that has not been used for longest goes first, and the next one as far as it must")
  func oldestFirst() {
    let idle = [
      PageStoreDivision.Idle(name: "new", bytes: 300, lastUse: 3),
      PageStoreDivision.Idle(name: "oldest", bytes: 300, lastUse: 1),
      PageStoreDivision.Idle(name: "old", bytes: 300, lastUse: 2),
    ]
    let division = PageStoreDivision(total: 1_000, used: [used("a", wanted: 600)], idle: idle)
    #expect(division.shrinking.map(\.name) == ["oldest", "old"])
    #expect(division.shrinking.map(\.limit) == [0, 100])
    #expect(division.allowances == ["a": 600])
  }

  @Test("all folders together stay below the budget, whatever workers say")
  func sum() {
    let idle = (0..<5).map { PageStoreDivision.Idle(name: "idle \($0)", bytes: 400, lastUse: Int64($0)) }
    for wanted: Int64 in [-5, 0, 100, 900, .max] {
      let division = PageStoreDivision(
        total: 1_000, used: [used("a", quota: 800, wanted: wanted), used("b", quota: .max, wanted: 50)], idle: idle)
      let limits = Dictionary(uniqueKeysWithValues: division.shrinking.map { ($0.name, $0.limit) })
      let kept = idle.reduce(Int64(0)) { $0 + (limits[$1.name] ?? $1.bytes) }
      #expect(kept + division.allowances.values.reduce(0, +) <= 1_000)
    }
  }

  @Test("a worker is held to its allowance by what was measured, and not by what it says")
  func excess() {
    let large: Int64 = 10 << 30
    let said = PageStoreDivision(total: 1 << 30, used: [used("a", quota: large, wanted: 0, bytes: large)], idle: [])
    #expect(said.excesses.isEmpty)
    let measured = PageStoreDivision(
      total: 1 << 30, used: [used("a", quota: large, wanted: 0, bytes: large, isMeasured: true)], idle: [])
    #expect(measured.excesses == ["a": 1 << 30])
  }

  @Test("without a budget nothing is kept")
  func nothing() {
    let idle = [PageStoreDivision.Idle(name: "idle", bytes: 1, lastUse: 1)]
    let division = PageStoreDivision(total: 0, used: [used("a", wanted: 5)], idle: idle)
    #expect(division.allowances == ["a": 0])
    #expect(division.shrinking.map(\.limit) == [0])
  }
}
