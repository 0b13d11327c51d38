import GRPC
import Testing
import VolumeModel

@testable import CSIDriver

@Suite("Published targets")
struct PublishedTargetsTests {
  @Test("a target is taken in once")
  func once() throws {
    var targets = PublishedTargets()
    let record = try TargetRecord.example(target: "/k/a")
    try targets.admit(record)
    let error = #expect(throws: CSIError.self) { try targets.admit(record) }
    #expect(error?.code == .alreadyExists)
  }

  @Test("the refusal of another volume at a target names what differs")
  func namesTheDifference() throws {
    var targets = PublishedTargets()
    try targets.admit(.example(volumeID: "one", target: "/k/a"))
    let error = #expect(throws: CSIError.self) { try targets.admit(.example(volumeID: "two", target: "/k/a")) }
    #expect(error?.message.contains("volume (one)") == true)
  }

  @Test(
    "a volume may have many targets", arguments: [VolumeCapability.AccessMode.singleNodeWriter, .multiNodeMultiWriter])
  func manyTargets(mode: VolumeCapability.AccessMode) throws {
    var targets = PublishedTargets()
    for index in 0..<10 { try targets.admit(.example(target: "/k/\(index)", mode: mode)) }
    #expect(targets.targets(ofVolume: "volume").count == 10)
    #expect(targets.volumeCount == 1)
  }

  @Test("a volume for one pod has one target, whoever came first")
  func singlePod() throws {
    var first = PublishedTargets()
    try first.admit(.example(target: "/k/a", mode: .singleNodeSingleWriter))
    let second = #expect(throws: CSIError.self) { try first.admit(.example(target: "/k/b", mode: .singleNodeWriter)) }
    #expect(second?.code == .failedPrecondition)
    #expect(second?.message.contains("/k/a") == true)

    var other = PublishedTargets()
    try other.admit(.example(target: "/k/a", mode: .multiNodeMultiWriter))
    let late = #expect(throws: CSIError.self) {
      try other.admit(.example(target: "/k/b", mode: .singleNodeSingleWriter))
    }
    #expect(late?.code == .failedPrecondition)
  }

  @Test("one volume too many is refused, another target of a volume that is there is not")
  func maximum() throws {
    var targets = PublishedTargets(maximumVolumes: 2)
    try targets.admit(.example(volumeID: "one", target: "/k/a"))
    try targets.admit(.example(volumeID: "two", target: "/k/b"))
    try targets.admit(.example(volumeID: "two", target: "/k/c"))
    let error = #expect(throws: CSIError.self) { try targets.admit(.example(volumeID: "three", target: "/k/d")) }
    #expect(error?.code == .resourceExhausted)
    targets.remove("/k/a")
    try targets.admit(.example(volumeID: "three", target: "/k/d"))
  }

  @Test("ids and targets that differ only in the spelling of an accented letter are two volumes and two targets")
  func normalisation() throws {
    let composed = "\u{E9}"
    let decomposed = "e\u{301}"
    var targets = PublishedTargets()
    try targets.admit(.example(volumeID: composed, target: "/k/\(composed)", mode: .singleNodeSingleWriter))
    try targets.admit(.example(volumeID: decomposed, target: "/k/\(decomposed)", mode: .singleNodeSingleWriter))
    #expect(targets.volumeCount == 2)
    #expect(targets.all.count == 2)
    targets.remove("/k/\(decomposed)")
    #expect(targets["/k/\(decomposed)"] == nil)
    let left = try #require(targets["/k/\(composed)"])
    #expect(ByteKey(left.volumeID) == ByteKey(composed))
  }

  @Test("targets of a volume with two mount groups belong to two workers")
  func workers() throws {
    var targets = PublishedTargets()
    try targets.admit(.example(target: "/k/a", group: "1000"))
    try targets.admit(.example(target: "/k/b", group: "2000"))
    try targets.admit(.example(target: "/k/c", group: "2000"))
    let name = WorkerKey(volumeID: "volume", mountGroup: "2000").name
    #expect(targets.targets(ofWorker: name).map(\.target) == ["/k/b", "/k/c"])
    #expect(targets.targets(ofVolume: "volume").count == 3)
  }
}

extension TargetRecord {
  /// A record as a valid publish makes it.
  static func example(
    volumeID: String = "volume", target: String, mode: VolumeCapability.AccessMode = .multiNodeMultiWriter,
    group: String = "", kubeletDirectory: String = "/k", values: [String: String] = [:]
  ) throws -> TargetRecord {
    TargetRecord(
      try .example(
        volumeID: volumeID, target: target, mode: mode, group: group, kubeletDirectory: kubeletDirectory, values: values
      ),
      madeFolder: true)
  }
}

extension PublishPlan {
  /// A valid publish.
  static func example(
    volumeID: String = "volume", target: String, mode: VolumeCapability.AccessMode = .multiNodeMultiWriter,
    group: String = "", readOnly: Bool = false, flags: [String] = [], secrets: [String: String] = [:],
    kubeletDirectory: String = "/k", values: [String: String] = [:]
  ) throws(CSIError) -> PublishPlan {
    let capability = VolumeCapability(
      accessType: .mount(.init(mountFlags: flags, volumeMountGroup: group)), accessMode: mode)
    let request = NodePublishVolumeRequest(
      volumeID: volumeID, targetPath: target, capability: capability, readOnly: readOnly, secrets: secrets,
      volumeContext: values.merging(["path": "file:///data"]) { given, _ in given })
    return try PublishPlan(request, configuration: .example(kubeletDirectory: kubeletDirectory))
  }
}

extension NodeConfiguration {
  static func example(kubeletDirectory: String = "/k", stateDirectory: String = "/s") -> NodeConfiguration {
    NodeConfiguration(
      nodeID: "node", paths: NodePaths(stateDirectory: stateDirectory, kubeletDirectory: kubeletDirectory),
      fileRoots: ["/data"], inlineFileRoots: ["/inline"])
  }
}
