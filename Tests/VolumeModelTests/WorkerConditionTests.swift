import Testing
import VolumeModel

@Suite("The condition of a volume in words")
struct WorkerConditionTests {
  private static let minute: UInt64 = 60_000
  private static let now = 100 * minute

  private static func status(_ state: WorkerStatus.State, _ exits: [WorkerExit], ago: UInt64 = minute) -> WorkerStatus {
    let deaths = exits.map { WorkerDeath(exit: $0, pid: 7, moment: now - ago) }
    let request = MountRequest(
      key: WorkerKey(volumeID: "v"),
      underFileSystem: UnderFileSystemURI(scheme: .file, authority: "", path: "/data"), mountPoint: "/m", fileRoots: [],
      options: WorkerOptions())
    return WorkerStatus(
      request: request, state: state, pid: 8, connection: 1,
      history: WorkerHistory(deaths: deaths, longestPause: 31))
  }

  private static func message(_ status: WorkerStatus) -> String { status.condition(at: now).message }

  @Test("a volume that was never interrupted is just mounted")
  func calm() {
    let condition = Self.status(.ready, []).condition(at: Self.now)
    #expect(!condition.abnormal && condition.message == "the volume is mounted")
  }

  @Test("three kills for memory in ten minutes are abnormal, with the limit and the remedy")
  func outOfMemory() {
    let condition = Self.status(.ready, Array(repeating: .outOfMemory(limitBytes: 256 << 20), count: 3))
      .condition(at: Self.now)
    #expect(condition.abnormal)
    let beginning = "worker was killed 3 times in 10 min: out of memory at 256 MiB; raise memoryLimit"
    #expect(condition.message.hasPrefix(beginning))
    #expect(condition.message.contains("31 ms"))
  }

  @Test("one death is told and is nothing abnormal; after ten minutes it is forgotten")
  func oneDeath() {
    let condition = Self.status(.ready, [.signaled(9)]).condition(at: Self.now)
    #expect(!condition.abnormal)
    #expect(condition.message.contains("its worker was killed once in 10 min: SIGKILL"))
    #expect(Self.message(Self.status(.ready, [.signaled(9)], ago: 11 * Self.minute)) == "the volume is mounted")
  }

  @Test("different causes are counted, and each remedy is named once")
  func severalCauses() {
    let exits: [WorkerExit] = [
      .outOfMemory(limitBytes: 3 << 30), .exited(code: 3), .outOfMemory(limitBytes: 3 << 30), .unanswering(seconds: 30),
    ]
    let expected = """
      worker ended 4 times in 10 min: out of memory at 3 GiB (2 times), exit code 3 (once), no answer for 30 s (once); \
      raise memoryLimit; see that the under file system answers
      """
    #expect(Self.message(Self.status(.ready, exits)).hasPrefix(expected))
  }

  @Test("another build is no death")
  func replaced() {
    #expect(Self.message(Self.status(.ready, [.replaced, .replaced, .replaced])) == "the volume is mounted")
  }

  @Test("an interruption is abnormal and says why, with what came before where that is more")
  func interrupted() {
    let once = Self.status(.interrupted(reason: "the worker was ended by SIGKILL"), [.signaled(9)])
    #expect(once.condition(at: Self.now).abnormal && !once.serves)
    #expect(Self.message(once) == "the volume does not answer at the moment: the worker was ended by SIGKILL")
    let twice = Self.status(.interrupted(reason: "gone"), [.signaled(9), .signaled(9)])
    #expect(Self.message(twice).contains("gone; worker was killed 2 times"))
  }

  @Test("a lost mount says what to do")
  func lost() {
    #expect(Self.message(Self.status(.failed(reason: "aborted"), [])).contains("publish it again"))
  }

  @Test("only the last ends are kept")
  func bounded() {
    var history = WorkerHistory()
    for pid in 0..<100 as Range<Int32> { history.note(WorkerDeath(exit: .unknown, pid: pid, moment: 1)) }
    #expect(history.deaths.map(\.pid) == Array(84..<100))
  }

  @Test("every end has a sentence and a cause")
  func sentences() {
    let exits: [WorkerExit] = [
      .exited(code: 1), .signaled(4), .signaled(6), .signaled(7), .signaled(8), .signaled(9), .signaled(11),
      .signaled(15), .signaled(31), .outOfMemory(limitBytes: 0), .outOfMemory(limitBytes: 1000),
      .unanswering(seconds: 1),
      .replaced, .disconnected, .notServing(reason: "x"), .unknown,
    ]
    for exit in exits { #expect(!exit.sentence.isEmpty && !exit.cause.isEmpty) }
    #expect(WorkerExit.outOfMemory(limitBytes: 1000).cause == "out of memory at 1000 bytes")
  }

  @Test("credentials that the store refused are abnormal as long as they are, and serve on")
  func refusedCredentials() {
    var status = Self.status(.ready, [])
    status.credentialProblem = "bucket b at host does not know the access key"
    let condition = status.condition(at: Self.now)
    #expect(condition.abnormal)
    let beginning = "the volume's new credentials are not used: bucket b at host does not know the access key; "
    #expect(condition.message == beginning + "the volume is mounted")
    status.state = .failed(reason: "its connection was ended")
    #expect(Self.message(status).hasPrefix("the volume's mount is lost"))
    status.state = .ready
    status.credentialProblem = nil
    #expect(!status.condition(at: Self.now).abnormal)
  }
}
