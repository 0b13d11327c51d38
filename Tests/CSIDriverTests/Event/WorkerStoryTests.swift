import Testing
import VolumeModel

@testable import CSIDriver

@Suite("What of a volume's state is news")
struct WorkerStoryTests {
  private static func status(
    _ state: WorkerStatus.State = .ready, _ deaths: [(exit: WorkerExit, moment: UInt64)] = [], pause: UInt64 = 0,
    problem: String? = nil
  ) -> WorkerStatus {
    let request = MountRequest(
      key: WorkerKey(volumeID: "v"),
      underFileSystem: UnderFileSystemURI(scheme: .file, authority: "", path: "/data"), mountPoint: "/m", fileRoots: [],
      options: WorkerOptions())
    var status = WorkerStatus(
      request: request, state: state, pid: 8, connection: 1,
      history: WorkerHistory(
        deaths: deaths.map { WorkerDeath(exit: $0.exit, pid: 7, moment: $0.moment) }, totalPause: pause))
    status.credentialProblem = problem
    return status
  }

  private func told(_ story: inout WorkerStory, _ status: WorkerStatus) -> [String] {
    story.hear(status).map { "\($0.reason.rawValue): \($0.sentence)" }
  }

  private let down = WorkerStatus.State.interrupted(reason: "r")

  @Test("a worker that the kernel killed for memory is named with the limit and the remedy, and then its successor")
  func outOfMemory() {
    var story = WorkerStory()
    let deaths: [(WorkerExit, UInt64)] = [(.outOfMemory(limitBytes: 256 << 20), 100)]
    #expect(told(&story, Self.status()) == [])
    #expect(
      told(&story, Self.status(down, deaths)) == [
        "WorkerOutOfMemory: the worker was killed: out of memory at 256 MiB; raise memoryLimit; the next one is being "
          + "started"
      ])
    #expect(told(&story, Self.status(down, deaths)) == [])
    #expect(
      told(&story, Self.status(.ready, deaths, pause: 37)) == [
        "WorkerRecovered: the volume is served again; who used it waited for at most 50 ms"
      ])
    #expect(told(&story, Self.status(.ready, deaths, pause: 37)) == [])
    let more = deaths + [(.signaled(9), 200)]
    #expect(told(&story, Self.status(.ready, more, pause: 41)).last?.hasSuffix("at most 5 ms") == true)
  }

  @Test("several ends before the volume is served again are one wait, since the first")
  func several() {
    var story = WorkerStory()
    _ = told(&story, Self.status())
    #expect(told(&story, Self.status(down, [(.signaled(9), 100)])).count == 1)
    #expect(told(&story, Self.status(down, [(.signaled(9), 100), (.exited(code: 1), 200)])).count == 1)
    let last: [(WorkerExit, UInt64)] = [(.signaled(9), 100), (.exited(code: 1), 200), (.signaled(9), 300)]
    let news = told(&story, Self.status(.ready, last, pause: 500))
    #expect(news.count == 2 && news.last?.contains("at most 500 ms") == true)
  }

  @Test("what had happened before is not news, what is wrong at the moment is")
  func first() {
    var story = WorkerStory()
    #expect(told(&story, Self.status(.ready, [(.signaled(9), 100)], problem: "403")).count == 1)
    var lost = WorkerStory()
    #expect(
      told(&lost, Self.status(.failed(reason: "unmounted"), [(.signaled(9), 1)])).first?.hasPrefix("MountLost") == true)
  }

  @Test("being replaced by a newer build is no news, and a lost mount is told once")
  func quiet() {
    var story = WorkerStory()
    _ = told(&story, Self.status())
    #expect(told(&story, Self.status(down, [(.replaced, 100)])) == [])
    #expect(told(&story, Self.status(.ready, [(.replaced, 100)], pause: 3)) == [])
    let lost = Self.status(.failed(reason: "unmounted"), [(.replaced, 100), (.disconnected, 200)])
    #expect(
      told(&story, lost) == [
        "MountLost: the volume's mount is lost: unmounted; end the pods that use it, or publish it again"
      ])
    #expect(told(&story, lost) == [])
  }

  @Test("credentials that are refused are told, once for each reason, and that others are taken")
  func credentials() {
    var story = WorkerStory()
    let problems = [nil, "a", "a", "b", nil, nil]
    #expect(
      problems.flatMap { told(&story, Self.status(problem: $0)) } == [
        "CredentialsRefused: the volume's new credentials are not used: a",
        "CredentialsRefused: the volume's new credentials are not used: b",
        "CredentialsTaken: the volume's new credentials are used",
      ])
  }

  @Test("that a restart is needed is told, and that it no longer is")
  func remount() {
    var story = WorkerStory()
    let needed = RecoveryOutcome.restartNeeded(reason: "r")
    let outcomes: [RecoveryOutcome?] = [nil, needed, needed, nil, needed, .recovered, nil]
    #expect(
      outcomes.flatMap { story.hear($0) }.map(\.reason) == [
        .restartNeeded, .mountRecovered, .restartNeeded, .mountRecovered,
      ])
  }

  @Test("waits are rounded up, so that like ones are told in the same words")
  func rounding() {
    let shown = [0, 1, 2, 3, 5, 6, 11, 99, 101, 4_999, UInt64.max].map { VolumeNews.recovered(after: $0).sentence }
    let numbers = shown.map { $0.split(separator: " ").compactMap { UInt64($0) }.first }
    #expect(numbers.dropLast() == [1, 1, 2, 5, 5, 10, 20, 100, 200, 5_000])
  }
}
