import FoundationEssentials
import LinuxSystem
import TestSupport
import Testing

@testable import CSIDriver

extension AlluxioNode.Volume {
  static func test(
    _ id: String, abnormal: String? = nil, hits: Int64? = nil, misses: Int64 = 0, lastError: String? = nil,
    warmUp: Int? = nil
  ) -> Self {
    let cache = hits.map {
      AlluxioNode.Cache(cachedBytes: $0, hits: $0, misses: misses, bytesFromCache: $0, bytesFromStore: misses)
    }
    return Self(
      volumeID: id, abnormal: abnormal != nil ? true : nil, message: abnormal, cache: cache, warmUpPercent: warmUp,
      lastError: lastError)
  }
}

extension AlluxioNode.Status {
  static func test(_ volumes: AlluxioNode.Volume...) -> Self { Self(volumes, ReportPolicy()) }
}

extension Deadline {
  /// Seconds after a start of one's own.
  static func test(_ seconds: Double) -> Deadline { Deadline(nanoseconds: UInt64(seconds * 1e9)) }
}

@Suite("When a node reports")
struct ReportScheduleTests {
  private var schedule = ReportSchedule(ReportPolicy(), now: .test(0))

  @Test("a new plugin says at once how it is, also that there is nothing")
  mutating func first() {
    #expect(schedule.next(.test(), now: .test(0)) == .send)
    schedule.sent(.test(), now: .test(0))
    #expect(schedule.next(.test(), now: .test(1e6)) == .wait(until: .never))
  }

  @Test("what people must know goes at once, counts after a minute, and nothing at all only as a heartbeat")
  mutating func kinds() {
    schedule.sent(.test(.test("v", hits: 10)), now: .test(0))
    #expect(schedule.next(.test(.test("v", hits: 20)), now: .test(1)) == .wait(until: .test(60)))
    #expect(schedule.next(.test(.test("v", abnormal: "x", hits: 20)), now: .test(1)) == .send)
    #expect(schedule.next(.test(.test("v", hits: 20, lastError: "x")), now: .test(1)) == .send)
    #expect(schedule.next(.test(.test("v", hits: 10), .test("w")), now: .test(1)) == .send)
    #expect(schedule.next(.test(), now: .test(1)) == .send)
    #expect(schedule.next(.test(.test("v", hits: 20)), now: .test(60)) == .send)
    #expect(schedule.next(.test(.test("v", hits: 10)), now: .test(60)) == .wait(until: .test(120)))
    #expect(schedule.next(.test(.test("v", hits: 10)), now: .test(200)) == .wait(until: .test(240)))
    #expect(schedule.next(.test(.test("v", hits: 10)), now: .test(240)) == .send)
  }

  @Test("a worker that dies every second is a few reports and then one in a while")
  mutating func storm() {
    var sent = 0
    for step in 0..<6_000 {
      let (now, status) = (Deadline.test(Double(step) / 10), AlluxioNode.Status.test(.test("v", abnormal: "\(step)")))
      guard case .send = schedule.next(status, now: now) else { continue }
      schedule.sent(status, now: now)
      sent += 1
    }
    #expect((30...44).contains(sent), "\(sent) in ten minutes")
  }

  @Test("a server that is away is asked less and less often, whatever happens meanwhile, and nothing is kept for it")
  mutating func away() {
    var attempts = 0
    for step in 0..<36_000 {
      let now = Deadline.test(Double(step) / 10)
      guard case .send = schedule.next(.test(.test("v", abnormal: "\(step)")), now: now) else { continue }
      schedule.failed(now: now, random: 1)
      attempts += 1
    }
    #expect((60...70).contains(attempts), "\(attempts) in an hour")
    #expect(schedule.next(.test(.test("v")), now: .test(4_000)) == .send)
    schedule.sent(.test(.test("v")), now: .test(4_000))
    #expect(schedule.next(.test(.test("v", abnormal: "x")), now: .test(4_001)) == .send)
  }
}

@Suite("What a node reports")
struct NodeStatusTests {
  @Test("of more volumes than are described, those that want somebody are, the others are named, the rest is counted")
  func bounded() {
    var policy = ReportPolicy()
    (policy.described, policy.named) = (3, 5)
    var volumes = (0..<10).map { AlluxioNode.Volume.test("v\($0)", hits: Int64($0)) }
    volumes[7] = .test("v7", abnormal: "broken")
    volumes[2] = .test("v2", lastError: "killed")
    volumes[4] = .test("v4", warmUp: 10)
    let status = AlluxioNode.Status(volumes, policy)
    #expect(status.volumes?.map(\.volumeID) == ["v2", "v4", "v7", "v8", "v9"])
    #expect(status.volumes?.suffix(2).allSatisfy { $0.cache == nil && $0.message == nil } == true)
    #expect((status.volumeCount, status.abnormalCount, status.omittedCount) == (10, 1, 5))
  }

  @Test("a node with all that a definition allows is no large object")
  func size() throws {
    let words = String(repeating: "ü", count: 1_000)
    let volumes = (0..<3_000).map { number in
      AlluxioNode.Volume.test(
        "pvc-01234567-89ab-cdef-0123-45678900\(number + 1_000)", abnormal: ReportedText.cut(words), hits: .max,
        misses: .max, lastError: ReportedText.cut(words), warmUp: 100)
    }
    let status = AlluxioNode.Status(volumes, ReportPolicy())
    #expect(status.volumes?.count == 2_000 && status.omittedCount == 1_000)
    #expect(try JSONEncoder().encode(status).count < 400_000)
  }

  @Test("counts have three digits, and words an end")
  func rounded() {
    #expect(
      [0, 7, 999, 1_000, 1_004, 1_005, 123_456, .max].map(ReportedNumber.rounded) == [
        0, 7, 999, 1_000, 1_000, 1_010, 123_000, .max,
      ])
    #expect(ReportedText.cut("short") == "short")
    let cut = ReportedText.cut(String(repeating: "ü", count: 500))
    #expect(cut.utf8.count <= 256 && cut.hasSuffix("ü…"))
  }

  @Test("an object has the name of its node, or one that no node has")
  func names() {
    for id in ["node-1", "ip-10-0-0-1.eu.compute.internal", "1"] { #expect(AlluxioNode.name(of: id) == id) }
    for id in ["Node", "a_b", "a..b", "-a", "a.", "ü"] { #expect(AlluxioNode.name(of: id).hasPrefix("node.")) }
  }
}
