import CSIDriver
import GRPC
import Glibc
import LinuxSystem
import TestSupport
import Testing
import VolumeModel

@Suite("Volumes with directories of their own", .timeLimit(.minutes(2)))
struct ControllerDirectoryTests {
  let fixture: ControllerFixture
  init() throws { fixture = try ControllerFixture() }

  private func names() throws -> [String] { try DirectoryNames.list(fixture.data) }

  @Test("the directory is named for the claim and the volume, and the context names it with its size")
  func create() async throws {
    let volume = try await fixture.create("pvc-1", required: 1 << 20, parameters: ControllerFixture.directory())
    #expect(try names() == ["team-claim-pvc-1"])
    let own = ["path": "file://\(fixture.data)/team-claim-pvc-1", "capacity": "1048576"]
    #expect(volume.context == ControllerFixture.context(own))
    let context = try VolumeContext(attributes: volume.context)
    #expect(context.options.capacityBytes == 1 << 20)
    #expect(try await fixture.create("pvc-1", required: 1 << 20, parameters: ControllerFixture.directory()) == volume)
    #expect(try names().count == 1)
  }

  @Test("two claims with one pattern get two directories")
  func pattern() async throws {
    let parameters = ControllerFixture.directory().merging(["directoryPattern": "same"]) { $1 }
    try await fixture.create("a", parameters: parameters)
    try await fixture.create("b", parameters: parameters)
    #expect(try names() == ["same-a", "same-b"])
  }

  @Test("without the provisioner's metadata the error says which flag it needs")
  func noMetadata() async {
    let request = CreateVolumeRequest(
      name: "a", capabilities: [ControllerFixture.capability],
      parameters: ["path": "file://\(fixture.data)", "provisioning": "directory"])
    let error = await #expect(throws: CSIError.self) { try await fixture.service.create(request, by: fixture.deadline) }
    #expect(error?.code == .invalidArgument)
    #expect(error?.message.contains("--extra-create-metadata") == true)
  }

  @Test("a directory that the driver did not make is refused and left as it was")
  func foreign() async throws {
    try fixture.folder.makeDirectory("data/team-claim-a")
    try fixture.folder.write("precious", to: "data/team-claim-a/file")
    let error = await #expect(throws: CSIError.self) {
      try await fixture.create("a", parameters: ControllerFixture.directory("delete"))
    }
    #expect(error?.code == .failedPrecondition)
    #expect(try WholeFile.text("\(fixture.data)/team-claim-a/file") == "precious")
    #expect(try await fixture.registry.volume(id: "a") == nil)
  }

  @Test("retain keeps the directory, and the next volume of the name finds its data again")
  func retain() async throws {
    try await fixture.create("a", parameters: ControllerFixture.directory())
    try fixture.folder.write("kept", to: "data/team-claim-a/file")
    try await fixture.delete("a")
    #expect(try names() == ["team-claim-a"])
    try await fixture.create("a", parameters: ControllerFixture.directory())
    #expect(try WholeFile.text("\(fixture.data)/team-claim-a/file") == "kept")
  }

  @Test("delete removes the directory with all it holds and nothing that a symlink in it points at")
  func delete() async throws {
    let outside = try fixture.folder.write("precious", to: "elsewhere/file")
    try await fixture.create("a", parameters: ControllerFixture.directory("delete"))
    try await fixture.create("b", parameters: ControllerFixture.directory("delete"))
    try fixture.folder.makeDirectory("data/team-claim-a/sub")
    try fixture.folder.write("x", to: "data/team-claim-a/sub/file")
    symlink(fixture.folder.appending("elsewhere"), "\(fixture.data)/team-claim-a/link")
    try await fixture.delete("a")
    #expect(try names() == ["team-claim-b"])
    #expect(try WholeFile.text(outside) == "precious")
    try await fixture.delete("a")
  }

  @Test("archive renames the directory and keeps what it holds")
  func archive() async throws {
    try await fixture.create("a", parameters: ControllerFixture.directory("archive"))
    try fixture.folder.write("kept", to: "data/team-claim-a/file")
    try await fixture.delete("a")
    #expect(try names() == ["archived-team-claim-a"])
    #expect(try WholeFile.text("\(fixture.data)/archived-team-claim-a/file") == "kept")
    try await fixture.create("a", parameters: ControllerFixture.directory("archive"))
    try await fixture.delete("a")
    #expect(try names().count == 2)
  }

  @Test(
    "a directory whose marker names another volume is neither deleted nor archived", arguments: ["delete", "archive"])
  func swapped(onDelete: String) async throws {
    try await fixture.create("a", parameters: ControllerFixture.directory(onDelete))
    try await fixture.create("b", parameters: ControllerFixture.directory(onDelete))
    rename("\(fixture.data)/team-claim-a", "\(fixture.data)/aside")
    rename("\(fixture.data)/team-claim-b", "\(fixture.data)/team-claim-a")
    let error = await #expect(throws: CSIError.self) { try await fixture.delete("a") }
    #expect(error?.code == .failedPrecondition)
    #expect(try names() == ["aside", "team-claim-a"])
    #expect(try await fixture.registry.volume(id: "a")?.state == .deleting)
  }

  @Test("a volume whose directory is gone, or is another's, says so in its condition, and is well when it is back")
  func directoryGone() async throws {
    let own = "\(fixture.data)/team-claim-a"
    let aside = fixture.folder.appending("elsewhere/aside")
    try await fixture.create("a", parameters: ControllerFixture.directory())
    #expect(try await fixture.volume("a").condition.abnormal == false)
    rename(own, aside)
    let gone = try await fixture.volume("a").condition
    #expect(gone.abnormal)
    #expect(gone.message.contains("team-claim-a is not in file://\(fixture.data) any more: bring it back"))
    #expect(try await fixture.list(ListVolumesRequest()).entries.map(\.condition) == [gone])
    try fixture.folder.makeDirectory("data/team-claim-a")
    let foreign = try await fixture.volume("a").condition
    #expect(foreign.abnormal)
    #expect(foreign.message.contains("was not made by this driver"))
    rmdir(own)
    rename(aside, own)
    #expect(try await fixture.volume("a").condition.abnormal == false)
  }

  @Test("a volume whose under file system is gone says so beside what its nodes say")
  func baseGone() async throws {
    try await fixture.create("a", parameters: ControllerFixture.directory())
    try await fixture.create("shared")
    try await fixture.registry.publish(.test("n1", abnormal: true), of: "a")
    rename(fixture.data, fixture.folder.appending("elsewhere/aside"))
    let condition = try await fixture.volume("a").condition
    #expect(condition.abnormal)
    #expect(condition.message.hasPrefix("file://\(fixture.data) does not exist: create the directory"))
    #expect(condition.message.hasSuffix("; n1: broken"))
    // The controller need not see the under file system of a shared volume.
    #expect(try await fixture.volume("shared").condition.abnormal == false)
  }

  @Test("a failed call takes its directory and its record away again")
  func undone() async throws {
    let registry = FaultyRegistry()
    let fixture = try ControllerFixture(registry: registry)
    registry.fail([.update])
    let error = await #expect(throws: CSIError.self) {
      try await fixture.create("a", parameters: ControllerFixture.directory())
    }
    #expect(error?.code == .unavailable)
    #expect(try DirectoryNames.list(fixture.data) == [])
    #expect(try await registry.volume(id: "a") == nil)
    registry.fail([])
    try await fixture.create("a", parameters: ControllerFixture.directory())
  }

  @Test("a failed call leaves alone what an earlier volume of the name retained")
  func undoneBesideRetained() async throws {
    let registry = FaultyRegistry()
    let fixture = try ControllerFixture(registry: registry)
    try await fixture.create("a", parameters: ControllerFixture.directory())
    try fixture.folder.write("kept", to: "data/team-claim-a/file")
    try await fixture.delete("a")
    registry.fail([.update])
    await #expect(throws: CSIError.self) { try await fixture.create("a", parameters: ControllerFixture.directory()) }
    #expect(try WholeFile.text("\(fixture.data)/team-claim-a/file") == "kept")
  }

  @Test("a volume whose creation a crash cut off is taken up by the repeat, and shown to nobody before")
  func resumed() async throws {
    let registry = FaultyRegistry()
    let fixture = try ControllerFixture(registry: registry)
    registry.fail([.update, .remove])
    await #expect(throws: CSIError.self) { try await fixture.create("a", parameters: ControllerFixture.directory()) }
    #expect(try await registry.volume(id: "a")?.state == .creating)
    #expect(try await fixture.list(ListVolumesRequest()).entries == [])
    let error = await #expect(throws: CSIError.self) { try await fixture.volume("a") }
    #expect(error?.code == .aborted)
    registry.fail([])
    try await fixture.create("a", parameters: ControllerFixture.directory())
    #expect(try await fixture.volume("a").volume.id == "a")
  }

  @Test("a deletion that a crash cut off is finished by the repeat, and the name is not given out meanwhile")
  func deletionResumed() async throws {
    let registry = FaultyRegistry()
    let fixture = try ControllerFixture(registry: registry)
    try await fixture.create("a", parameters: ControllerFixture.directory("delete"))
    registry.fail([.remove])
    await #expect(throws: CSIError.self) { try await fixture.delete("a") }
    let error = await #expect(throws: CSIError.self) {
      try await fixture.create("a", parameters: ControllerFixture.directory("delete"))
    }
    #expect(error?.code == .aborted)
    registry.fail([])
    try await fixture.delete("a")
    #expect(try await registry.volume(id: "a") == nil)
  }

  @Test("a cancelled creation leaves nothing")
  func cancelled() async throws {
    let held = HeldDirectories()
    let fixture = try ControllerFixture(directories: held)
    let task = Task { try await fixture.create("a", parameters: ControllerFixture.directory()) }
    await held.waitUntilStarted()
    task.cancel()
    await #expect(throws: CSIError.self) { try await task.value }
    #expect(try await fixture.registry.volume(id: "a") == nil)
  }
}
