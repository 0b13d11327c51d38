import CSIDriver
import GRPC
import LinuxSystem
import TestSupport
import Testing
import VolumeModel

@Suite("Deleting, listing and looking at volumes", .timeLimit(.minutes(2)))
struct ControllerQueryTests {
  let fixture: ControllerFixture
  init() throws { fixture = try ControllerFixture() }

  private func code<Value>(_ body: () async throws(CSIError) -> Value) async -> StatusCode {
    do throws(CSIError) {
      _ = try await body()
      return .ok
    } catch {
      return error.code
    }
  }

  @Test(
    "deleting what is not there succeeds, whatever its id looks like",
    arguments: ["a", "../x", "UPPER", String(repeating: "i", count: 200)])
  func deleteUnknown(id: String) async throws { try await fixture.delete(id) }

  @Test("a delete without an id is refused")
  func deleteNothing() async {
    #expect(await code { () throws(CSIError) in try await fixture.delete("") } == .invalidArgument)
  }

  @Test("a volume that this node publishes is not deleted")
  func deletePublishedHere() async throws {
    try await fixture.create("a")
    fixture.published.set(.test("node-1"), of: "a")
    let error = await #expect(throws: CSIError.self) { try await fixture.delete("a") }
    #expect(error?.code == .failedPrecondition)
    #expect(error?.message.contains("node-1") == true)
    fixture.published.set(nil, of: "a")
    try await fixture.delete("a")
  }

  @Test("a volume that another node publishes is not deleted, and not marked")
  func deletePublishedThere() async throws {
    try await fixture.create("a")
    try await fixture.registry.publish(.test("node-2"), of: "a")
    let error = await #expect(throws: CSIError.self) { try await fixture.delete("a") }
    #expect(error?.code == .failedPrecondition)
    #expect(try await fixture.volume("a").volume.id == "a")
  }

  @Test("pages of every size show every volume once", arguments: [0, 1, 2, 3, 7, 100] as [Int32])
  func pages(size: Int32) async throws {
    let ids = (0..<7).map { "v\($0)" }
    for id in ids { try await fixture.create(id) }
    var seen: [String] = []
    var token = ""
    repeat {
      let page = try await fixture.list(ListVolumesRequest(maximumEntries: size, startingToken: token))
      if size > 0 { #expect(page.entries.count <= Int(size)) }
      seen += page.entries.map(\.volume.id)
      token = page.nextToken
      #expect(token.utf8.count <= 128)
    } while !token.isEmpty
    #expect(seen == ids)
  }

  @Test("a token holds while volumes come and go, the one that it names included")
  func stablePages() async throws {
    for id in ["b", "d", "f", "h"] { try await fixture.create(id) }
    let first = try await fixture.list(ListVolumesRequest(maximumEntries: 2))
    #expect(first.entries.map(\.volume.id) == ["b", "d"])
    try await fixture.delete("d")
    try await fixture.delete("b")
    for id in ["a", "c", "e"] { try await fixture.create(id) }
    let second = try await fixture.list(ListVolumesRequest(startingToken: first.nextToken))
    #expect(second.entries.map(\.volume.id) == ["e", "f", "h"])
    #expect(second.nextToken == "")
  }

  @Test(
    "a token of somebody else's is refused as the specification asks",
    arguments: ["x", "1", "after-", "after-00000000-a", "after-ca978112-b", "invalid-token", "after-ca978112-a\u{301}"])
  func badToken(token: String) async {
    #expect(
      await code { () throws(CSIError) in try await fixture.list(ListVolumesRequest(startingToken: token)) }
        == .aborted)
  }

  @Test("a negative page is refused")
  func negativePage() async {
    #expect(
      await code { () throws(CSIError) in try await fixture.list(ListVolumesRequest(maximumEntries: -1)) }
        == .invalidArgument)
  }

  @Test("more volumes than a page holds by default are listed whole")
  func manyVolumes() async throws {
    for index in 0..<1203 { try await fixture.registry.insert(.test("v\(index)")) }
    var count = 0
    var token = ""
    repeat {
      let page = try await fixture.list(ListVolumesRequest(startingToken: token))
      count += page.entries.count
      token = page.nextToken
    } while !token.isEmpty
    #expect(count == 1203)
    #expect(try await fixture.list(ListVolumesRequest(maximumEntries: 1203)).entries.count == 1203)
  }

  @Test("the condition says what the worst of all nodes says")
  func condition() async throws {
    try await fixture.create("a")
    #expect(try await fixture.volume("a").condition.abnormal == false)
    try await fixture.registry.publish(.test("n1"), of: "a")
    #expect(try await fixture.volume("a").condition.message.contains("n1"))
    try await fixture.registry.publish(.test("n2", abnormal: true), of: "a")
    let broken = try await fixture.volume("a").condition
    #expect(broken == VolumeCondition(abnormal: true, message: "n2: broken"))
    fixture.published.set(.test("n2"), of: "a")
    #expect(try await fixture.volume("a").condition.abnormal == false)
    #expect(try await fixture.list(ListVolumesRequest()).entries.first?.condition.abnormal == false)
  }

  @Test("a volume that is not there is not found")
  func unknown() async {
    #expect(await code { () throws(CSIError) in try await fixture.volume("a") } == .notFound)
    #expect(await code { () throws(CSIError) in try await fixture.volume("") } == .invalidArgument)
  }

  @Test("capabilities are confirmed, or denied with a reason")
  func validate() async throws {
    let volume = try await fixture.create("a")
    let capability = ControllerFixture.capability
    func verdict(
      _ capabilities: [VolumeCapability], context: [String: String] = [:], parameters: [String: String] = [:]
    ) async throws(CSIError) -> CapabilityVerdict {
      try await fixture.service.validate(
        ValidateVolumeCapabilitiesRequest(
          volumeID: "a", volumeContext: context, capabilities: capabilities, parameters: parameters))
    }
    let provisioner = ["storage.kubernetes.io/csiProvisionerIdentity": "1"]
    let context = volume.context.merging(provisioner) { $1 }
    #expect(
      try await verdict([capability], context: context)
        == .confirmed(context: context, capabilities: [capability], parameters: [:]))
    let block = VolumeCapability(accessType: .block, accessMode: .singleNodeWriter)
    let flags = VolumeCapability(accessType: .mount(.init(mountFlags: ["dev"])), accessMode: .singleNodeWriter)
    for denied in [
      try await verdict([capability, block]), try await verdict([flags]),
      try await verdict([capability], context: ["path": "file:///x"]),
      try await verdict([capability], parameters: ["path": "file:///x"]),
    ] {
      guard case .unconfirmed(let reason) = denied else {
        Issue.record("confirmed")
        continue
      }
      #expect(!reason.isEmpty)
    }
    #expect(await code { () throws(CSIError) in try await verdict([]) } == .invalidArgument)
    let noType = VolumeCapability(accessType: nil, accessMode: .singleNodeWriter)
    #expect(await code { () throws(CSIError) in try await verdict([noType]) } == .invalidArgument)
    let unknown = ValidateVolumeCapabilitiesRequest(volumeID: "b", capabilities: [capability])
    #expect(await code { () throws(CSIError) in try await fixture.service.validate(unknown) } == .notFound)
  }

  @Test("the capacity is that of the under file system, with and without a question")
  func capacity() async throws {
    let free = try FileSystemStatistics(at: fixture.data).availableBytes
    func asked(_ request: GetCapacityRequest) async throws(CSIError) -> Int64 {
      try await fixture.service.capacity(request, by: fixture.deadline)
    }
    let any = try await asked(GetCapacityRequest())
    let named = try await asked(GetCapacityRequest(parameters: ["path": "file://\(fixture.data)"]))
    // Others use the disk too.
    for value in [any, named] { #expect(abs(value - Int64(free)) < 1 << 30) }
    let block = VolumeCapability(accessType: .block, accessMode: .singleNodeWriter)
    #expect(try await asked(GetCapacityRequest(capabilities: [block])) == 0)
    #expect(
      await code { () throws(CSIError) in try await asked(GetCapacityRequest(parameters: ["path": "file:///etc"])) }
        == .permissionDenied)
    #expect(
      await code { () throws(CSIError) in try await asked(GetCapacityRequest(parameters: ["pth": "x"])) }
        == .invalidArgument)
    let none = ControllerService(
      registry: InMemoryVolumeRegistry(), published: nil, directories: LocalProvisioningDirectories(fileRoots: []))
    #expect(try await none.capacity(GetCapacityRequest(), by: fixture.deadline) == 0)
  }

  @Test("a volume grows, is not shrunk, and says whether its nodes must know")
  func expand() async throws {
    try await fixture.create("shared", required: 10)
    try await fixture.create("own", required: 10, parameters: ControllerFixture.directory())
    func expanded(_ id: String, _ required: Int64, limit: Int64 = 0) async throws(CSIError) -> Expansion {
      try await fixture.service.expand(
        ControllerExpandVolumeRequest(volumeID: id, capacity: CapacityRange(required: required, limit: limit)))
    }
    #expect(try await expanded("shared", 20) == Expansion(capacityBytes: 20, nodeExpansionRequired: false))
    #expect(try await expanded("own", 20) == Expansion(capacityBytes: 20, nodeExpansionRequired: true))
    #expect(try await fixture.volume("own").volume.context["capacity"] == "20")
    #expect(try await expanded("own", 5).capacityBytes == 20)
    #expect(try await expanded("own", 0, limit: 30).capacityBytes == 20)
    #expect(await code { () throws(CSIError) in try await expanded("own", 5, limit: 15) } == .outOfRange)
    #expect(await code { () throws(CSIError) in try await expanded("own", 9, limit: 8) } == .outOfRange)
    #expect(await code { () throws(CSIError) in try await expanded("own", -1) } == .outOfRange)
    #expect(await code { () throws(CSIError) in try await expanded("own", 0) } == .invalidArgument)
    #expect(await code { () throws(CSIError) in try await expanded("nope", 1) } == .notFound)
    #expect(await code { () throws(CSIError) in try await expanded("", 1) } == .invalidArgument)
    let noRange = ControllerExpandVolumeRequest(volumeID: "own", capacity: nil)
    #expect(await code { () throws(CSIError) in try await fixture.service.expand(noRange) } == .invalidArgument)
    // Its creator may repeat the call that made it.
    #expect(
      try await fixture.create("own", required: 10, parameters: ControllerFixture.directory()).capacityBytes == 20)
  }
}
