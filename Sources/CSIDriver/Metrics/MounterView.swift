package import LinuxSystem
package import Mounter
package import VolumeModel

/// What the mounter says of its volumes, for scrapes and readiness: asked at most once a second and by one question at a time,
/// however many ask, and never waited for longer than ``patience``.
package actor MounterView {
  package struct Answer: Sendable {
    /// Nil where it did not answer.
    package var statuses: [WorkerStatus]?
    /// How long it took.
    package var seconds: Double
    /// Why there is no answer.
    package var problem: String?
  }

  /// A scrape's own patience is ten seconds as a rule.
  package static let patience: Duration = .seconds(3)
  package static let validity: Duration = .seconds(1)

  private let list: @Sendable (Deadline) async throws(MounterError) -> [WorkerStatus]
  private var asking: Task<Answer, Never>?
  private var last: (answer: Answer, until: Deadline)?

  /// - Parameter list: asks, and starts no mounter where there is none.
  package init(list: @escaping @Sendable (Deadline) async throws(MounterError) -> [WorkerStatus]) { self.list = list }

  package func current() async -> Answer {
    if let last, Deadline.now < last.until { return last.answer }
    if let asking { return await asking.value }
    let task = Task { [list] in await Self.ask(list) }
    asking = task
    let answer = await task.value
    asking = nil
    last = (answer, .after(Self.validity))
    return answer
  }

  private static func ask(
    _ list: @Sendable (Deadline) async throws(MounterError) -> [WorkerStatus]
  ) async -> Answer {
    let start = ContinuousClock.now
    do throws(MounterError) {
      let statuses = try await list(.after(patience))
      return Answer(statuses: statuses, seconds: (ContinuousClock.now - start) / .seconds(1))
    } catch {
      return Answer(statuses: nil, seconds: (ContinuousClock.now - start) / .seconds(1), problem: "\(error)")
    }
  }
}
