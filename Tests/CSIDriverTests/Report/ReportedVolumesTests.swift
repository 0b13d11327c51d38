import LinuxSystem
import TestSupport
import Testing

@testable import CSIDriver
@testable import Kubernetes

extension AlluxioNode {
  /// As a node has reported it.
  static func test(_ id: String, at time: Int = 0, _ volumes: [Volume]) -> AlluxioNode {
    var node = AlluxioNode(nodeID: id)
    node.status = Status(volumes, ReportPolicy())
    node.status?.reportedAt = "\(time)"
    return node
  }
}

@Suite("What a controller knows of nodes' reports")
struct ReportedVolumesTests {
  private var reported = ReportedVolumes(StatusPolicy())

  private typealias Change = ReportedVolumes.Change

  @Test("a volume that comes, breaks or goes is urgent, one that counts is not, one that is the same is nothing")
  mutating func changes() {
    #expect(reported.apply(.test("n", [.test("v", hits: 1)]), now: .test(0)) == [Change(volumeID: "v", isUrgent: true)])
    #expect(
      reported.apply(.test("n", [.test("v", hits: 2)]), now: .test(1)) == [Change(volumeID: "v", isUrgent: false)])
    #expect(reported.apply(.test("n", at: 2, [.test("v", hits: 2)]), now: .test(2)).isEmpty)
    #expect(reported.apply(.test("n", [.test("v", abnormal: "x")]), now: .test(3)).first?.isUrgent == true)
    #expect(reported.apply(.test("n", []), now: .test(4)) == [Change(volumeID: "v", isUrgent: true)])
    #expect(reported.volumeIDs.isEmpty)
  }

  @Test("all nodes together: counts are added, the worst is listed first, and the last error has its node")
  mutating func together() {
    _ = reported.apply(.test("a", [.test("v", hits: 90, misses: 0)]), now: .test(0))
    _ = reported.apply(.test("b", [.test("v", hits: 5, misses: 5, lastError: "killed", warmUp: 70)]), now: .test(0))
    _ = reported.apply(.test("c", [.test("v", abnormal: "broken", warmUp: 40)]), now: .test(0))
    let report = reported.report(of: "v")
    #expect(report.cache == AlluxioVolume.Cache(hitRate: "95%", cachedBytes: 95))
    #expect(report.warmUp == AlluxioVolume.WarmUp(nodeCount: 2, percent: 40))
    #expect(report.lastError == AlluxioVolume.LastError(nodeID: "c", message: "broken"))
    #expect((report.health.nodeCount, report.health.abnormalCount, report.health.silentCount) == (3, 1, 0))
  }

  @Test("of a volume that a thousand nodes use the abnormal ones are listed, and all are counted")
  mutating func many() {
    for number in 0..<1_000 {
      let volume = AlluxioNode.Volume.test("v", abnormal: number % 100 == 7 ? "broken" : nil)
      _ = reported.apply(.test("node-\(number)", [volume]), now: .test(0))
    }
    let report = reported.report(of: "v")
    #expect(report.listed.count == 50 && report.listed.values.count { $0.condition.abnormal } == 10)
    #expect(report.health.nodeCount == 1_000 && report.health.abnormalCount == 10)
  }

  @Test("a node that says nothing for long is not known to serve, by this program's clock, and then it is given up")
  mutating func silence() {
    let node = AlluxioNode.test("n", at: 1, [.test("v", hits: 5)])
    _ = reported.apply(node, now: .test(0))
    // Listed again, it has not spoken.
    _ = reported.list([node], now: .test(300))
    #expect(reported.look(now: .test(599)).isEmpty && reported.silent(now: .test(599)).isEmpty)
    #expect(reported.look(now: .test(600)) == [Change(volumeID: "v", isUrgent: true)])
    let report = reported.report(of: "v")
    #expect(report.listed.values.first?.silent == true && report.listed.values.first?.condition.abnormal == true)
    #expect(report.cache == nil && report.health.silentCount == 1 && report.health.abnormalCount == 0)
    #expect(reported.silent(now: .test(601)).first?.isAbandoned == false)
    #expect(reported.silent(now: .test(3_600)).first?.isAbandoned == true)
    // It speaks again.
    let changes = reported.apply(.test("n", at: 2, [.test("v", hits: 5)]), now: .test(3_601))
    #expect(changes == [Change(volumeID: "v", isUrgent: true)] && reported.silent(now: .test(3_601)).isEmpty)
  }

  @Test("a node without volumes says nothing, and is given up as soon as it is silent")
  mutating func idle() {
    _ = reported.apply(.test("n", []), now: .test(0))
    #expect(reported.look(now: .test(600)).isEmpty)
    #expect(reported.silent(now: .test(600)).first?.isAbandoned == true)
  }

  @Test("while the cluster cannot be heard nobody is silent, and everybody has time when it can")
  mutating func deaf() {
    _ = reported.apply(.test("n", [.test("v")]), now: .test(0))
    reported.interrupted()
    #expect(reported.look(now: .test(5_000)).isEmpty)
    reported.hear(now: .test(5_000))
    #expect(reported.look(now: .test(5_599)).isEmpty)
    #expect(reported.look(now: .test(5_600)).count == 1)
  }

  @Test("nodes that are not in a list are gone, and what names another node is nobody's report")
  mutating func lists() {
    _ = reported.apply(.test("a", [.test("v")]), now: .test(0))
    _ = reported.apply(.test("b", [.test("v")]), now: .test(0))
    #expect(reported.list([.test("b", [.test("v")])], now: .test(1)) == [Change(volumeID: "v", isUrgent: true)])
    #expect(reported.report(of: "v").health.nodeCount == 1)
    var forged = AlluxioNode.test("a", [.test("v", abnormal: "forged")])
    forged.metadata.name = "c"
    #expect(reported.apply(forged, now: .test(2)).isEmpty)
    #expect(reported.nodeCount == 1)
  }
}

@Suite("When the status of volumes is written")
struct StatusQueueTests {
  private var queue = StatusQueue(StatusPolicy(), now: .test(0))

  /// What is written from one moment to another, a step each tenth of a second.
  private mutating func written(_ steps: Range<Int>, _ change: (inout StatusQueue, Int) -> Void) -> [String] {
    var written: [String] = []
    for step in steps {
      change(&queue, step)
      while case .write(let id) = queue.next(now: .test(Double(step) / 10)) { written.append(id) }
    }
    return written
  }

  @Test("a storm on a thousand volumes stays below the rate, forgets none, and keeps no more than their names")
  mutating func storm() {
    let written = written(0..<4_000) { queue, step in
      for number in 0..<100 {
        queue.add("v\((step * 100 + number) % 1_000)", isUrgent: number % 10 == 0, now: .test(Double(step) / 10))
      }
    }
    #expect(written.count <= 10 + 2_000 && written.count > 1_900)
    #expect(Set(written).count == 1_000)
    #expect(queue.memory <= 2_000)
  }

  @Test("counts of one volume are written once in a minute, what people must know every few seconds")
  mutating func spacing() {
    let counts = written(0..<3_000) { $0.add("v", isUrgent: false, now: .test(Double($1) / 10)) }
    #expect((5...6).contains(counts.count))
    let urgent = written(3_000..<6_000) { $0.add("v", isUrgent: true, now: .test(Double($1) / 10)) }
    #expect((55...61).contains(urgent.count))
  }

  @Test("what people must know goes before counts that have waited longer")
  mutating func precedence() {
    for number in 0..<100 { queue.add("count-\(number)", isUrgent: false, now: .test(0)) }
    queue.add("broken", isUrgent: true, now: .test(1))
    #expect(queue.next(now: .test(2)) == .write("broken"))
  }

  @Test("a server that takes nothing is asked less and less often, and what waits is not more for that")
  mutating func away() {
    var attempts = 0
    for step in 0..<36_000 {
      let now = Deadline.test(Double(step) / 10)
      queue.add("v\(step % 50)", isUrgent: true, now: now)
      guard case .write(let id) = queue.next(now: now) else { continue }
      attempts += 1
      queue.failed(id, isServers: true, now: now, random: 1)
    }
    #expect((60...70).contains(attempts))
    #expect(queue.memory <= 100)
  }
}
