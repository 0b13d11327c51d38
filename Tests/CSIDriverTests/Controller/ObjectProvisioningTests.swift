import CSIDriver
import GRPC
import Glibc
import LinuxSystem
import ObjectStoreServers
import TestSupport
import Testing
import VolumeModel

@Suite("Volumes with prefixes of their own in a bucket", .serialized, .timeLimit(.minutes(3)))
struct ObjectProvisioningTests {
  @Test("a prefix is made once, named in the volume's context, kept, deleted and archived as onDelete says")
  func life() async throws {
    let fixture = try ObjectStoreFixture.moto()
    let volume = try await fixture.create("a", fixture.parameters("delete"))
    #expect(volume.context["path"] == "s3://bucket/base/vol-a")
    #expect(try await fixture.create("a", fixture.parameters("delete")) == volume)
    #expect(try fixture.keys() == ["base/vol-a/.alluxio.volume"])
    let beside = ["base/vol-a", "base/vol-a-2/x", "base/vol-ax", "vol-a/x"]
    for key in beside + ["base/vol-a/x/y", "base/vol-a/x", "base/vol-a/a b+c&<é>"] { try fixture.put(key, key) }
    for key in ["base/vol-a/begun", "base/vol-ax"] { try fixture.beginUpload(key) }
    try await fixture.delete("a")
    #expect(try fixture.keys() == beside)
    #expect(try fixture.uploads() == ["base/vol-ax"])
    try await fixture.delete("a")

    try await fixture.create("b", fixture.parameters("retain"))
    try fixture.proxy.forget()
    try await fixture.delete("b")
    #expect(try fixture.proxy.log().requests == [])
    #expect(try fixture.keys("base/vol-b") == ["base/vol-b/.alluxio.volume"])
    for round in ["", ".1"] {
      try await fixture.create("b", fixture.parameters("archive"))
      try fixture.put("base/vol-b/x y", "kept")
      try await fixture.delete("b")
      #expect(try fixture.keys("base/vol-b") == [])
      let archive = "base/archived-vol-b\(round)"
      #expect(try fixture.keys("\(archive)/") == ["\(archive)/.alluxio.volume", "\(archive)/x y"])
    }
  }

  @Test("a server that verifies signatures and keeps objects as files does the same")
  func rclone() async throws {
    let fixture = try ObjectStoreFixture.rclone()
    for onDelete in ["archive", "delete"] {
      try await fixture.create("a", fixture.parameters(onDelete))
      try fixture.put("base/vol-a/x/y", "kept")
      try fixture.put("base/vol-a/z", "kept")
      try await fixture.delete("a")
    }
    let archive = "base/archived-vol-a"
    #expect(try fixture.keys() == ["\(archive)/.alluxio.volume", "\(archive)/x/y", "\(archive)/z"])
    let wrong = ["s3a.accessKeyId": ObjectStoreFixture.pair.accessKeyID, "s3a.secretKey": "canary-wrong-0123456789"]
    let error = await fixture.error { () throws(CSIError) in
      try await fixture.create("b", fixture.parameters("delete"), secrets: wrong)
    }
    #expect(error?.code == .permissionDenied)
    #expect(error?.message.contains("check s3a.secretKey in the secret") == true, "\(error as Any)")
    #expect(error?.message.contains("canary") == false)
  }

  @Test("a shared volume of a bucket is made and deleted without a request, and no secret reaches the registry")
  func shared() async throws {
    let fixture = try ObjectStoreFixture.moto()
    try await fixture.create("s", ["path": "s3://bucket/base", "alluxio.underfs.s3.endpoint": fixture.proxy.url])
    #expect(try await fixture.service.volume(id: "s", by: .after(.patient)).condition.abnormal == false)
    try await fixture.delete("s")
    #expect(try fixture.proxy.log().requests == [])
    try await fixture.create("a", fixture.parameters("delete"))
    let record = try WholeFile.text(fixture.folder.appending("registry/volumes/a.json"))
    #expect(record.contains("vol-a"))
    #expect(!record.contains("canary"))
    let capacity = try await fixture.service.capacity(
      GetCapacityRequest(parameters: fixture.parameters("delete")), by: .after(.patient))
    #expect(capacity == .max)
  }

  @Test("a prefix that the driver did not make is refused and left as it was")
  func foreign() async throws {
    let fixture = try ObjectStoreFixture.moto()
    try fixture.put("base/vol-a/file", "precious")
    let error = await fixture.error { () throws(CSIError) in
      try await fixture.create("a", fixture.parameters("delete"))
    }
    #expect(error?.code == .failedPrecondition)
    #expect(try fixture.keys() == ["base/vol-a/file"])
    #expect(try await fixture.registry.volume(id: "a") == nil)
  }

  @Test("what keeps a prefix from being made is named with its code and what to do")
  func problems() async throws {
    let fixture = try ObjectStoreFixture.moto()
    func problem(
      _ more: [String: String] = [:], secrets: [String: String] = ObjectStoreFixture.secrets
    ) async -> (code: StatusCode?, message: String) {
      let error = await fixture.error { () throws(CSIError) in
        try await fixture.create("a", fixture.parameters("delete", more), secrets: secrets)
      }
      return (error?.code, error?.message ?? "")
    }
    let absent = await problem(["path": "s3://no-such-bucket/base"])
    #expect(absent.code == .notFound)
    #expect(absent.message.contains("there is no bucket no-such-bucket at 127.0.0.1"), "\(absent)")
    let silent = await problem(["alluxio.underfs.s3.endpoint": "http://127.0.0.1:\(try freePort())"])
    #expect(silent.code == .unavailable)
    #expect(silent.message.contains("cannot be reached"), "\(silent)")
    let none = await problem(secrets: [:])
    #expect(none.code == .permissionDenied)
    #expect(none.message.contains("csi.storage.k8s.io/provisioner-secret-name"), "\(none)")
    let half = await problem(secrets: ["s3a.accessKeyId": "canary"])
    #expect(half.code == .invalidArgument)
    #expect(half.message.contains("s3a.secretKey"), "\(half)")
    try fixture.proxy.inject(.error(403, "AccessDenied").on(method: "PUT"))
    let denied = await problem()
    #expect(denied.code == .permissionDenied)
    #expect(denied.message.contains("may not write objects in bucket bucket"), "\(denied)")
    #expect(denied.message.contains("grant s3:PutObject"), "\(denied)")
    #expect(try await fixture.registry.volume(id: "a") == nil)
    #expect(try fixture.keys() == [])
  }

  @Test("the controller's own environment signs where the StorageClass names no secret")
  func environment() async throws {
    let fixture = try ObjectStoreFixture.moto()
    let service = ObjectStoreFixture.service(
      fixture.registry, ["AWS_ACCESS_KEY_ID": "canary-of-the-node", "AWS_SECRET_ACCESS_KEY": "canary-of-the-node"])
    let request = CreateVolumeRequest(
      name: "a", capabilities: [ControllerFixture.capability], parameters: fixture.parameters("delete"))
    _ = try await service.create(request, by: .after(.patient))
    #expect(try fixture.keys() == ["base/vol-a/.alluxio.volume"])
    #expect(try fixture.proxy.log().requests.allSatisfy { $0.fields.contains("authorization") })
  }

  @Test("a volume of oss:// gets its prefix with the keys of its own scheme")
  func oss() async throws {
    let fixture = try ObjectStoreFixture.moto()
    var parameters = fixture.parameters("delete", ["path": "oss://bucket/base", "fs.oss.endpoint": fixture.proxy.url])
    parameters["alluxio.underfs.s3.endpoint"] = nil
    let secrets = ["fs.oss.accessKeyId": "canary", "fs.oss.accessKeySecret": "canary"]
    let refused = await fixture.error { () throws(CSIError) in try await fixture.create("a", parameters) }
    #expect(refused?.code == .permissionDenied)
    let volume = try await fixture.create("a", parameters, secrets: secrets)
    #expect(volume.context["path"] == "oss://bucket/base/vol-a")
    #expect(try fixture.keys() == ["base/vol-a/.alluxio.volume"])
    try await fixture.delete("a", secrets: secrets)
    #expect(try fixture.keys() == [])
  }

  @Test("a service that is overloaded, and answers that are cut off, do not stop a removal")
  func faults() async throws {
    let fixture = try ObjectStoreFixture.moto(holding: 2500)
    try await fixture.create("big", fixture.parameters("delete"))
    try fixture.proxy.inject(.error(503, "SlowDown").on(method: "POST", path: "delete", nth: 2))
    try fixture.proxy.inject(.truncate(after: 300).on(method: "GET", path: "start-after"))
    try fixture.proxy.inject(.reset(after: nil).on(method: "POST", path: "delete"))
    try await fixture.delete("big")
    #expect(try fixture.proxy.injected() == [1, 1, 1])
    #expect(try fixture.keys() == [])
  }

  @Test("an object that the service refuses to delete is reported with its code, and the volume stays to be deleted")
  func refusedKey() async throws {
    let fixture = try ObjectStoreFixture.moto(holding: 10)
    try await fixture.create("big", fixture.parameters("delete"))
    let refusal =
      "<DeleteResult><Error><Key>base/vol-big/000003</Key><Code>AccessDenied</Code></Error></DeleteResult>"
    try fixture.proxy.inject(Fault("garbage") { $0.body = refusal }.on(method: "POST", path: "delete"))
    let error = await fixture.error { () throws(CSIError) in try await fixture.delete("big") }
    #expect(error?.code == .permissionDenied)
    #expect(error?.message.contains("(AccessDenied): grant s3:DeleteObject") == true, "\(error as Any)")
    #expect(try fixture.keys() == ["base/vol-big/.alluxio.volume"])
    #expect(try await fixture.registry.volume(id: "big")?.state == .deleting)
    try await fixture.delete("big")
    #expect(try fixture.keys() == [])
    #expect(try await fixture.registry.volume(id: "big") == nil)
  }

  @Test("of 25,000 objects a call removes what its deadline lets it, and the next one ends it")
  func deadline() async throws {
    let fixture = try ObjectStoreFixture.moto(holding: 25_000)
    try fixture.put("base/vol-big-2/x", "precious")
    try await fixture.create("big", fixture.parameters("delete"))
    try fixture.proxy.inject(.stall(until: "later").on(method: "POST", path: "delete", nth: 10))
    let error = await fixture.error { () throws(CSIError) in
      try await fixture.delete("big", by: .after(.seconds(10)))
    }
    #expect(error?.code == .deadlineExceeded)
    #expect(error?.message.contains("objects are done, the next call goes on") == true, "\(error as Any)")
    let left = try fixture.keys("base/vol-big/").count
    // The tenth batch is of the second round: the first was done, unless the machine did not get there.
    let isReached = try fixture.proxy.injected() == [1]
    #expect(left > 1000)
    #expect(left <= 18_000 || !isReached)
    try fixture.proxy.release("later")
    try await fixture.delete("big")
    #expect(try fixture.keys() == ["base/vol-big-2/x"])
  }

  @Test("while a call that nobody waits for any more still works on a prefix, another one for it is refused")
  func abandoned() async throws {
    let fixture = try ObjectStoreFixture.moto(holding: 5)
    try await fixture.create("big", fixture.parameters("delete"))
    try fixture.proxy.inject(.stall(until: "later").on(method: "POST", path: "delete"))
    let first = Task { try await fixture.delete("big") }
    try await fixture.waitUntilInjected()
    first.cancel()
    let cancelled = await #expect(throws: CSIError.self) { try await first.value }
    #expect(cancelled?.code == .cancelled)
    let second = await fixture.error { () throws(CSIError) in try await fixture.delete("big") }
    #expect(second?.code == .aborted)
    try fixture.proxy.release("later")
    // Until the first has ended.
    let end = Deadline.after(.patient)
    while let error = await fixture.error({ () throws(CSIError) in try await fixture.delete("big") }) {
      #expect(error.code == .aborted)
      try #require(!end.hasPassed)
    }
    #expect(try fixture.keys() == [])
  }

  @Test("a controller that is killed in the middle of a removal or archiving is followed by one that ends it")
  func killed() async throws {
    let fixture = try ObjectStoreFixture.moto(holding: 3000)
    for (onDelete, method, nth) in [("archive", "PUT", 2), ("delete", "POST", 1)] {
      try await fixture.create("big", fixture.parameters(onDelete))
      try fixture.put("base/vol-big/last", onDelete)
      let asked = onDelete == "archive" ? "archived-vol-big/00" : "delete"
      try fixture.proxy.inject(.stall(until: "never").on(method: method, path: asked, nth: nth))
      var spawn = Spawn(
        executable: try builtProduct("volume-deleter"),
        arguments: ["volume-deleter", fixture.folder.appending("registry"), "big"],
        environment: ["AWS_ACCESS_KEY_ID=canary", "AWS_SECRET_ACCESS_KEY=canary", "AWS_EC2_METADATA_DISABLED=true"])
      spawn.newSession = true
      let process = try spawn.start()
      try await fixture.waitUntilInjected()
      try process.signal(SIGKILL)
      #expect(try process.wait() == .signalled(signal: SIGKILL, dumpedCore: false))
      #expect(try await fixture.registry.volume(id: "big")?.state == .deleting)
      try fixture.proxy.clear()
      try await fixture.delete("big")
      #expect(try fixture.keys("base/vol-big/") == [])
      let archived = try fixture.keys("base/archived-vol-big")
      #expect(archived.count == 3002)
    }
    #expect(try fixture.keys("base/archived-vol-big.1") == [])
  }
}
