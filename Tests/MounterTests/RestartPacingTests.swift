import LinuxSystem
import Testing

@testable import Mounter

@Suite("The pace at which a dying mounter is started again")
struct RestartPacingTests {
  var pacing = RestartPacing()
  var now = Deadline(nanoseconds: 1_000_000_000)

  /// One life. - Returns: the pause after it.
  private mutating func live(serving: Bool, for life: Duration = .milliseconds(50)) -> Duration {
    pacing.started(at: now)
    if serving { pacing.served() }
    now = now.advanced(by: life)
    return pacing.pause(at: now)
  }

  @Test("one that does not come to serve is started again at growing intervals")
  mutating func failing() {
    let pauses = (0..<10).map { _ in live(serving: false) }
    #expect(pauses == [0, 100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000].map { .milliseconds($0) })
  }

  @Test("one that has served is started again at once, however short it lived")
  mutating func served() {
    for _ in 0..<3 { _ = live(serving: false) }
    for _ in 0..<20 { #expect(live(serving: true) == .zero) }
    #expect(live(serving: false) == .zero)
  }

  @Test("one that serves and dies young over and over is paused at last, until it lives")
  mutating func dyingYoung() {
    for _ in 0..<20 { _ = live(serving: true) }
    #expect(live(serving: true) == .milliseconds(100))
    #expect(live(serving: true) == .milliseconds(200))
    #expect(live(serving: true, for: .seconds(6)) == .zero)
    #expect(live(serving: true) == .zero)
  }
}
