import LinuxSystem
import Synchronization
import Testing

@testable import CSIDriver

/// A clock that stands still until it is moved.
private final class ManualClock: Sendable {
  private let moment = Mutex(Deadline(nanoseconds: 1))
  var now: Deadline { moment.withLock { $0 } }
  func advance(by duration: Duration) { moment.withLock { $0 = $0.advanced(by: duration) } }
}

/// A state folder that answers as told and counts who asks.
private final class Disk: Sendable {
  private let state = Mutex((answer: true, looks: 0))
  var looks: Int { state.withLock { $0.looks } }
  func answer(_ value: Bool) { state.withLock { $0.answer = value } }
  func look() -> Bool {
    state.withLock {
      $0.looks += 1
      return $0.answer
    }
  }
}

@Suite("Readiness of the plugin")
struct ReadinessTests {
  private let clock = ManualClock()
  private let disk = Disk()
  private var readiness: Readiness { Readiness(clock: { [clock] in clock.now }, check: { [disk] in disk.look() }) }

  @Test("probes within a second of a good answer share it") func aGoodAnswerHolds() async {
    let readiness = self.readiness
    for _ in 0..<10 { #expect(await readiness.isReady()) }
    #expect(disk.looks == 1)
  }

  @Test("a state folder that became unwritable is seen after a second") func aGoodAnswerEnds() async {
    let readiness = self.readiness
    #expect(await readiness.isReady())
    disk.answer(false)
    clock.advance(by: Readiness.validity)
    #expect(await readiness.isReady() == false)
  }

  @Test("a plugin is ready again with the first probe after its folder came back") func aBadAnswerDoesNotHold() async {
    let readiness = self.readiness
    disk.answer(false)
    #expect(await readiness.isReady() == false)
    disk.answer(true)
    #expect(await readiness.isReady())
    #expect(disk.looks == 2)
  }
}
