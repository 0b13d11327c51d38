import CSIDriver
import LinuxSystem
import Metrics
import Mounter
import Testing
import VolumeModel

@Suite("Metrics of a node's volumes")
struct NodeMetricsTests {
  private func status(_ id: String, group: String? = nil) -> WorkerStatus {
    let request = MountRequest(
      key: WorkerKey(volumeID: id, mountGroup: group),
      underFileSystem: UnderFileSystemURI(scheme: .s3, authority: "secret-bucket", path: "secret-prefix"),
      mountPoint: "/state/\(id)", fileRoots: [], options: WorkerOptions())
    return WorkerStatus(request: request, state: .ready, pid: 1, connection: 2)
  }

  private func text(_ statuses: [WorkerStatus]) -> String {
    var exposition = Exposition()
    NodeMetrics().add(statuses, targets: [:], to: &exposition)
    return exposition.text
  }

  @Test("each volume and group has series of its own, and none says where its data lies")
  func labels() {
    let text = text([status("a"), status("a", group: "1000"), status("b")])
    #expect(text.contains(#"alluxio_csi_volume_serving{volume="a",group=""} 1"#))
    #expect(text.contains(#"alluxio_csi_volume_serving{volume="a",group="1000"} 1"#))
    #expect(!text.contains("secret") && !text.contains("/state/"))
  }

  @Test("the number of series stays bounded, however many volumes there are")
  func volumes() {
    let text = text((0..<(NodeMetrics.maximumVolumes + 7)).map { status("v\($0)") })
    let serving = text.split(separator: "\n").filter { $0.hasPrefix("alluxio_csi_volume_serving{") }
    #expect(serving.count == NodeMetrics.maximumVolumes)
    #expect(text.contains("alluxio_csi_node_volumes_omitted 7\n"))
  }

  @Test("a worker that makes up words gets few series, and the sum of all is right")
  func madeUpWords() {
    var status = status("v")
    var counters = VolumeCounters()
    counters.requests = (0..<60).map { number in
      var kind = VolumeCounters.Requests(kind: "Kind\(number)")
      kind.outcomes = (0..<60).map { VolumeCounters.Outcome("\($0)", 1) }
      return kind
    }
    counters.requests[0].kind = "a\"b\n"
    status.counters = counters
    var activity = WorkerActivity()
    activity.errors = (1000..<1200).map { WorkerActivity.Errors($0, 1) }
    status.activity = activity
    let lines = text([status]).split(separator: "\n")
    let requests = lines.filter { $0.hasPrefix("alluxio_csi_volume_ufs_requests_total{") }
    #expect(requests.count <= 16 * 21)
    #expect(
      requests.filter { $0.contains(#"kind="Kind1","#) }.compactMap { Int($0.split(separator: " ").last ?? "") }
        .reduce(0, +) == 60)
    #expect(lines.filter { $0.hasPrefix("alluxio_csi_volume_request_errors_total{") }.count <= 41)
    #expect(lines.count < 1_000)
  }

  @Test("errors have the names of the manuals")
  func errors() {
    var status = status("v")
    var activity = WorkerActivity()
    activity.errors = [.init(2, 5), .init(13, 1)]
    status.activity = activity
    let text = text([status])
    #expect(text.contains(#"alluxio_csi_volume_request_errors_total{volume="v",group="",errno="ENOENT"} 5"#))
    #expect(text.contains(#"errno="EACCES"} 1"#))
  }

  @Test("ends of workers are counted by cause, and pauses together")
  func deaths() {
    var status = status("v")
    for _ in 0..<20 { status.history.note(WorkerDeath(exit: .outOfMemory(limitBytes: 1), pid: 1, moment: 1)) }
    status.history.note(WorkerDeath(exit: .signaled(9), pid: 1, moment: 1))
    status.history.notePause(1_500)
    status.history.notePause(500)
    let text = text([status])
    #expect(text.contains(#"worker_deaths_total{volume="v",group="",cause="out_of_memory"} 20"#))
    #expect(text.contains(#"worker_deaths_total{volume="v",group="",cause="signal"} 1"#))
    #expect(text.contains(#"alluxio_csi_volume_pause_seconds_total{volume="v",group=""} 2"# + "\n"))
    #expect(text.contains(#"alluxio_csi_volume_longest_pause_seconds{volume="v",group=""} 1.5"#))
  }

  @Test("many who ask at once share one question to the mounter")
  func oneQuestion() async {
    let asked = Counter()
    let gate = AsyncStream<Void>.makeStream()
    let view = MounterView { _ throws(MounterError) in
      asked.add(1)
      for await _ in gate.stream { break }
      return []
    }
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<50 { group.addTask { #expect(await view.current().statuses == []) } }
      gate.continuation.yield()
    }
    #expect(asked.value == 1)
  }

  @Test("a mounter that is away is said so, with the reason")
  func away() async {
    let view = MounterView { _ throws(MounterError) in throw .unreachable(socket: "/s", reason: "gone") }
    let answer = await view.current()
    #expect(answer.statuses == nil && answer.problem?.contains("gone") == true)
  }
}
