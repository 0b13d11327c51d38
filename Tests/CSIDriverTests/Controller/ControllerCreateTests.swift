import CSIDriver
import GRPC
import Glibc
import LinuxSystem
import TestSupport
import Testing
import VolumeModel

@Suite("CreateVolume", .timeLimit(.minutes(2)))
struct ControllerCreateTests {
  let fixture: ControllerFixture
  init() throws { fixture = try ControllerFixture() }

  private func code(_ request: CreateVolumeRequest) async -> StatusCode {
    do throws(CSIError) {
      _ = try await fixture.service.create(request, by: fixture.deadline)
      return .ok
    } catch {
      return error.code
    }
  }

  @Test("a shared volume is its path, and repeating the call gives the same volume")
  func shared() async throws {
    let first = try await fixture.create("pvc-1", required: 1 << 30)
    #expect(first.id == "pvc-1")
    #expect(first.capacityBytes == 1 << 30)
    #expect(first.context == ControllerFixture.context(["path": "file://\(fixture.data)"]))
    #expect(try await fixture.create("pvc-1", required: 1 << 30) == first)
    #expect(try DirectoryNames.list(fixture.data) == [])
  }

  @Test("the context carries the worker's keys and none of the controller's")
  func context() async throws {
    let volume = try await fixture.create("a", parameters: ["attr_timeout": "5", "uid": "7", "provisioning": "shared"])
    let own = ["path": "file://\(fixture.data)", "attrTimeout": "5", "uid": "7"]
    #expect(volume.context == ControllerFixture.context(own))
    _ = try VolumeContext(attributes: volume.context)
  }

  @Test("every access mode is taken", arguments: VolumeCapability.AccessMode.allCases.filter { $0 != .unknown })
  func accessModes(mode: VolumeCapability.AccessMode) async {
    let capability = VolumeCapability(accessType: .mount(.init(fileSystemType: "ext4")), accessMode: mode)
    #expect(await code(fixture.request("a", capabilities: [capability])) == .ok)
  }

  @Test("block access is refused with its reason")
  func block() async {
    let capability = VolumeCapability(accessType: .block, accessMode: .singleNodeWriter)
    let error = await #expect(throws: CSIError.self) {
      try await fixture.service.create(fixture.request("a", capabilities: [capability]), by: fixture.deadline)
    }
    #expect(error?.code == .invalidArgument)
    #expect(error?.message.contains("volumeMode: Filesystem") == true)
  }

  @Test("missing and malformed fields are refused")
  func fields() async {
    #expect(await code(fixture.request("")) == .invalidArgument)
    #expect(await code(fixture.request(String(repeating: "n", count: 129))) == .invalidArgument)
    #expect(await code(fixture.request("a", capabilities: [])) == .invalidArgument)
    let noMode = VolumeCapability(accessType: .mount(.init()), accessMode: .unknown)
    #expect(await code(fixture.request("a", capabilities: [noMode])) == .invalidArgument)
    let noType = VolumeCapability(accessType: nil, accessMode: .singleNodeWriter)
    #expect(await code(fixture.request("a", capabilities: [noType])) == .invalidArgument)
    let flags = VolumeCapability(accessType: .mount(.init(mountFlags: ["suid"])), accessMode: .singleNodeWriter)
    #expect(await code(fixture.request("a", capabilities: [flags])) == .invalidArgument)
    #expect(await code(fixture.request("a", parameters: ["nonsense": "x"])) == .invalidArgument)
    #expect(await code(fixture.request("a", parameters: ["path": "hdfs://name/x"])) == .invalidArgument)
    var source = fixture.request("a")
    source.contentSource = .snapshot
    #expect(await code(source) == .invalidArgument)
    source.contentSource = .volume
    #expect(await code(source) == .invalidArgument)
    var mutable = fixture.request("a")
    mutable.mutableParameters = ["x": "y"]
    #expect(await code(mutable) == .invalidArgument)
    #expect((try? await fixture.registry.volumes(after: nil, limit: 10)) == [])
  }

  @Test("ranges that nothing can meet are out of range")
  func ranges() async {
    #expect(await code(fixture.request("a", required: 10, limit: 5)) == .outOfRange)
    #expect(await code(fixture.request("a", required: -1, limit: 5)) == .outOfRange)
    #expect(await code(fixture.request("a", required: 1, limit: -5)) == .outOfRange)
    #expect(await code(fixture.request("a", required: .max)) == .ok)
    #expect(await code(fixture.request("b", limit: 5)) == .ok)
  }

  @Test("a repeat with another capacity or other parameters says that the name is taken")
  func incompatible() async throws {
    try await fixture.create("a", required: 10)
    #expect(await code(fixture.request("a", required: 20)) == .alreadyExists)
    #expect(await code(fixture.request("a", limit: 5)) == .alreadyExists)
    #expect(await code(fixture.request("a", required: 10, parameters: ["uid": "1"])) == .alreadyExists)
    #expect(await code(fixture.request("a", required: 10, parameters: ControllerFixture.directory())) == .alreadyExists)
    let other = try fixture.folder.makeDirectory("data/other")
    #expect(await code(fixture.request("a", parameters: ["path": "file://\(other)"])) == .alreadyExists)
  }

  @Test("a repeat that asks for no more than there is, or spells the same differently, gives the volume")
  func compatible() async throws {
    let volume = try await fixture.create("a", required: 10)
    for request in [
      fixture.request("a"), fixture.request("a", required: 5, limit: 10), fixture.request("a", limit: 11),
      fixture.request("a", parameters: ["provisioning": "shared", "attrTimeout": "1000ms"]),
      fixture.request("a", parameters: ["path": "file://\(fixture.data)//./"]),
    ] {
      #expect(try await fixture.service.create(request, by: fixture.deadline) == volume)
    }
  }

  @Test(
    "the node plugin is told for whose claim a volume was made, as it was at first, and no other key of the provisioner's"
  )
  func claim() async throws {
    let given = ControllerFixture.metadata.merging([
      "csi.storage.k8s.io/pv/name": "alluxio-1", "csi.storage.k8s.io/fstype": "ext4",
    ]) { $1 }
    let volume = try await fixture.create("a", parameters: given)
    let own = ["path": "file://\(fixture.data)", "csi.storage.k8s.io/pv/name": "alluxio-1"]
    #expect(volume.context == ControllerFixture.context(own))
    // What the provisioner adds does not make another volume of it.
    #expect(try await fixture.create("a", parameters: ["csi.storage.k8s.io/pvc/name": "later"]) == volume)
  }

  @Test("an error is one line, whatever is named in it: it becomes an event of the claim")
  func oneLine() {
    let status = RPCError(CSIError.failed(step: "make the directory a\nb", cause: "c\r\nd\u{2028}e"))
    #expect(status.message == "make the directory a b failed: c d e")
  }

  @Test("names of every kind make volumes of their own")
  func names() async throws {
    let names = ["pvc", "PVC", "a/b", "..", "\u{e9}", "e\u{301}", String(repeating: "x", count: 128), "h-0"]
    var ids: Set<String> = []
    for name in names { ids.insert(try await fixture.create(name, parameters: ControllerFixture.directory()).id) }
    #expect(ids.count == names.count)
    #expect(try DirectoryNames.list(fixture.data).count == names.count)
  }

  @Test("a path outside the file roots is refused, also through a symlink, and no volume is left")
  func outside() async throws {
    #expect(await code(fixture.request("a", parameters: ["path": "file:///etc"])) == .permissionDenied)
    let elsewhere = fixture.folder.appending("elsewhere")
    symlink(elsewhere, "\(fixture.data)/link")
    #expect(await code(fixture.request("a", parameters: ["path": "file://\(fixture.data)/link"])) == .permissionDenied)
    for onDelete in ["delete", "retain"] {
      var parameters = ControllerFixture.directory(onDelete)
      parameters["path"] = "file://\(fixture.data)/link"
      #expect(await code(fixture.request("a", parameters: parameters)) == .permissionDenied)
    }
    #expect(try DirectoryNames.list(elsewhere) == [])
    #expect(try await fixture.registry.volume(id: "a") == nil)
  }

  @Test("without file roots nothing is served, and the error says which flag is missing")
  func noRoots() async throws {
    let fixture = try ControllerFixture(directories: LocalProvisioningDirectories(fileRoots: []))
    let error = await #expect(throws: CSIError.self) { try await fixture.create("a") }
    #expect(error?.code == .permissionDenied)
    #expect(error?.message.contains("--file-roots") == true)
  }

  @Test("a path that the controller cannot see is left to the nodes when it is shared, and refused for a directory")
  func unseen() async throws {
    let path = "file://\(fixture.data)/only-on-nodes"
    #expect(await code(fixture.request("a", parameters: ["path": path])) == .ok)
    let directory = ControllerFixture.directory().merging(["path": path]) { $1 }
    #expect(await code(fixture.request("b", parameters: directory)) == .failedPrecondition)
    #expect(try await fixture.registry.volume(id: "b") == nil)
  }

  @Test("a file is no under file system")
  func file() async throws {
    try fixture.folder.write("x", to: "data/file")
    #expect(
      await code(fixture.request("a", parameters: ["path": "file://\(fixture.data)/file"])) == .failedPrecondition)
  }

  @Test("while a call for a volume runs, a second one for it is aborted and one for another is not")
  func concurrent() async throws {
    let held = HeldDirectories()
    let fixture = try ControllerFixture(directories: held)
    async let first = fixture.create("a")
    await held.waitUntilStarted()
    let error = await #expect(throws: CSIError.self) { try await fixture.create("a") }
    #expect(error?.code == .aborted)
    try await fixture.delete("b")
    held.letGo()
    #expect(try await first.id == "a")
    #expect(try await fixture.create("a").id == "a")
  }

  @Test("of many calls for one name at once, each gives the same volume or is aborted")
  func crowd() async throws {
    let fixture = fixture
    let outcomes = await withTaskGroup(of: String.self) { group in
      for _ in 0..<30 {
        group.addTask {
          do throws(CSIError) {
            return try await fixture.create("a", parameters: ControllerFixture.directory()).id
          } catch {
            return "\(error.code)"
          }
        }
      }
      return await group.reduce(into: Set<String>()) { $0.insert($1) }
    }
    #expect(outcomes.subtracting(["ABORTED"]) == ["a"])
    #expect(try DirectoryNames.list(fixture.data).count == 1)
  }
}
