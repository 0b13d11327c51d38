import GRPC
import Mounter
import Testing
import VolumeModel

@testable import CSIDriver

@Suite("Publish plans")
struct PublishPlanTests {
  @Test("what every request with the same meaning gives is one fingerprint")
  func sameFingerprint() throws {
    let first = try PublishPlan.example(target: "/k/a", flags: ["ro", "noexec"], values: ["uid": "5"])
    let second = try PublishPlan.example(
      target: "/k/a", flags: ["noexec", "ro"], secrets: ["s3a.secretKey": "new"],
      values: [
        "uid": "5", "csi.storage.k8s.io/pod.name": "other", "csi.storage.k8s.io/serviceAccount.tokens": "{}",
        "storage.kubernetes.io/csiProvisionerIdentity": "1",
      ])
    #expect(first.fingerprint == second.fingerprint)
  }

  @Test("whatever is not a repeat has another fingerprint")
  func otherFingerprints() throws {
    let plans: [PublishPlan] = [
      try .example(target: "/k/a"),
      try .example(target: "/k/a", readOnly: true),
      try .example(target: "/k/a", mode: .singleNodeWriter),
      try .example(target: "/k/a", group: "5"),
      try .example(target: "/k/a", flags: ["noexec"]),
      try .example(target: "/k/a", values: ["uid": "5"]),
      try .example(target: "/k/a", values: ["gid": "5"]),
      try .example(target: "/k/a", values: ["path": "file:///data/other"]),
      try .example(volumeID: "other", target: "/k/a"),
    ]
    #expect(Set(plans.map(\.fingerprint)).count == plans.count)
  }

  @Test("a bind is read-only for readonly, the ro flag and read-only access modes")
  func readOnly() throws {
    #expect(try !PublishPlan.example(target: "/k/a").readOnly)
    #expect(try PublishPlan.example(target: "/k/a", readOnly: true).readOnly)
    #expect(try PublishPlan.example(target: "/k/a", flags: ["ro"]).readOnly)
    #expect(try PublishPlan.example(target: "/k/a", mode: .singleNodeReaderOnly).readOnly)
    #expect(try PublishPlan.example(target: "/k/a", mode: .multiNodeReaderOnly).readOnly)
  }

  @Test("a mount group is a group of its own worker")
  func mountGroup() throws {
    let plan = try PublishPlan.example(target: "/k/a", group: "2000")
    #expect(plan.options.mountGroup == 2000)
    #expect(plan.key.name != (try PublishPlan.example(target: "/k/a").key.name))
  }

  /// Of a volume with a role, with what the kubelet adds.
  private func rolePlan(
    _ tokens: String?, account: String = "reader", secrets: [String: String] = [:], audience: String? = nil
  ) throws(CSIError) -> PublishPlan {
    var values = [
      "path": "s3://bucket", "roleArn": "arn:aws:iam::123456789012:role/reader",
      VolumeContextKey.serviceAccountName: account, VolumeContextKey.podNamespace: "apps",
    ]
    values[VolumeContextKey.tokenAudience.name] = audience
    values[VolumeContextKey.serviceAccountTokens] = tokens
    return try .example(target: "/k/a", secrets: secrets, values: values)
  }

  private static let tokens =
    "{\"sts.amazonaws.com\":{\"token\":\"hush.1\"},\"vault\":{\"token\":\"hush.2\"}}"

  @Test("a volume with a role gets the token of its audience and no other, from the context or the secrets")
  func role() throws {
    let plan = try rolePlan(Self.tokens)
    #expect(plan.secrets?.values == ["s3a.webIdentityToken": "hush.1"] && plan.needsSecrets)
    #expect(try rolePlan(Self.tokens, audience: "vault").secrets?.values == ["s3a.webIdentityToken": "hush.2"])
    let secret = try rolePlan(nil, secrets: [VolumeContextKey.serviceAccountTokens: Self.tokens])
    #expect(secret.secrets?.values == ["s3a.webIdentityToken": "hush.1"])
    let own = try rolePlan(nil, secrets: ["s3a.webIdentityToken": "mine"])
    #expect(own.secrets?.values == ["s3a.webIdentityToken": "mine"])
  }

  @Test("pods of another service account have a worker of their own, those of one share it")
  func accounts() throws {
    let key = try rolePlan(Self.tokens).key
    #expect(key.credentialIdentity == "apps/reader")
    #expect(try rolePlan("{\"sts.amazonaws.com\":{\"token\":\"other\"}}").key == key)
    #expect(try rolePlan(Self.tokens, account: "writer").key.name != key.name)
  }

  @Test(
    "a token that the kubelet does not hand over is asked for, and none stands in the error",
    arguments: [nil, "{}", "{\"other\":{\"token\":\"hush.3\"}}", "hush.4"])
  func noToken(tokens: String?) throws {
    let error = #expect(throws: CSIError.self) { try rolePlan(tokens) }
    #expect(error?.message.contains("token") == true && error?.message.contains("hush") == false)
    #expect(error?.code == (tokens == "hush.4" ? .invalidArgument : .failedPrecondition))
    let nobody = #expect(throws: CSIError.self) { try rolePlan(Self.tokens, account: "") }
    #expect(nobody?.message.contains("podInfoOnMount") == true)
  }

  @Test("a volume without a role gets no token")
  func noRole() throws {
    let plan = try PublishPlan.example(
      target: "/k/a", secrets: [VolumeContextKey.serviceAccountTokens: Self.tokens],
      values: [VolumeContextKey.serviceAccountTokens: Self.tokens])
    #expect(plan.secrets == nil && plan.key.credentialIdentity == nil)
  }

  @Test(
    "a mount group that is no number is refused",
    arguments: ["staff", "-1", "4294967295", "4294967296", "007", " 5", "+5"])
  func badMountGroup(group: String) throws {
    let error = #expect(throws: CSIError.self) { try PublishPlan.example(target: "/k/a", group: group) }
    #expect(error?.code == .invalidArgument)
  }

  @Test(
    "a target path that is empty, relative, outside or not normal is refused",
    arguments: [
      "", "k/a", "/", "/k", "/other/a", "/k/../etc", "/k/./a", "/k//a", "/kubelet/a",
      "/k/" + String(repeating: "a", count: 5000),
    ])
  func badTarget(path: String) throws {
    let error = #expect(throws: CSIError.self) { try PublishPlan.example(target: path) }
    #expect(error?.code == .invalidArgument)
    #expect(error?.message.contains("target_path") == true)
  }

  @Test("a volume id that is missing or too long is refused", arguments: ["", String(repeating: "a", count: 129)])
  func badVolumeID(id: String) throws {
    let error = #expect(throws: CSIError.self) { try PublishPlan.example(volumeID: id, target: "/k/a") }
    #expect(error?.code == .invalidArgument)
  }

  @Test("a volume id of 128 bytes, with slashes and dots, is one")
  func strangeVolumeID() throws {
    let id = "../" + String(repeating: "Ü", count: 62) + "/"
    #expect(try PublishPlan.example(volumeID: id, target: "/k/a").volumeID == id)
  }

  @Test("block access is refused with the reason")
  func block() throws {
    let request = NodePublishVolumeRequest(
      volumeID: "v", targetPath: "/k/a",
      capability: VolumeCapability(accessType: .block, accessMode: .singleNodeWriter),
      volumeContext: ["path": "file:///data"])
    let error = #expect(throws: CSIError.self) { try PublishPlan(request, configuration: .example()) }
    #expect(error?.code == .invalidArgument)
    #expect(error?.message.contains("block") == true)
  }

  @Test("a request without a capability, an access type or an access mode is refused")
  func incompleteCapability() throws {
    let capabilities: [VolumeCapability?] = [
      nil, VolumeCapability(accessType: nil, accessMode: .singleNodeWriter),
      VolumeCapability(accessType: .mount(.init()), accessMode: .unknown),
    ]
    for capability in capabilities {
      let request = NodePublishVolumeRequest(
        volumeID: "v", targetPath: "/k/a", capability: capability, volumeContext: ["path": "file:///data"])
      let error = #expect(throws: CSIError.self) { try PublishPlan(request, configuration: .example()) }
      #expect(error?.code == .invalidArgument)
    }
  }

  @Test("an unknown key is refused and the nearest one named")
  func unknownKey() throws {
    let error = #expect(throws: CSIError.self) { try PublishPlan.example(target: "/k/a", values: ["uidd": "5"]) }
    #expect(error?.code == .invalidArgument)
    #expect(error?.message.contains("'uid'") == true)
  }

  @Test("inline volumes are held to their own roots and keys")
  func inline() throws {
    let ephemeral = "csi.storage.k8s.io/ephemeral"
    #expect(try PublishPlan.example(target: "/k/a", values: [ephemeral: "true"]).fileRoots == ["/inline"])
    #expect(try PublishPlan.example(target: "/k/a", values: [ephemeral: "false"]).fileRoots == ["/data"])
    let error = #expect(throws: CSIError.self) {
      try PublishPlan.example(target: "/k/a", values: [ephemeral: "true", "memoryLimit": "1Gi"])
    }
    #expect(error?.code == .invalidArgument)
  }

  @Test(
    "mount flags that could leave the volume or change its user are refused and not repeated",
    arguments: ["suid", "dev", "bind", "uid=0", "s3a.secretKey=hush", "unheard-of=hush"])
  func dangerousFlags(flag: String) throws {
    let error = #expect(throws: CSIError.self) { try PublishPlan.example(target: "/k/a", flags: [flag]) }
    #expect(error?.code == .invalidArgument)
    #expect(error?.message.contains("hush") == false)
  }

  @Test("a record holds no secret, no token and no mount flag")
  func recordHoldsNoSecret() throws {
    let plan = try PublishPlan.example(
      target: "/k/a", flags: ["attrTimeout=77"], secrets: ["s3a.secretKey": "hush"],
      values: ["csi.storage.k8s.io/serviceAccount.tokens": "{\"token\":\"hush\"}"])
    let text = String(decoding: try TargetRecord(plan, madeFolder: true).json(), as: UTF8.self)
    #expect(!text.contains("hush"))
    #expect(!text.contains("attrTimeout=77"))
  }

  @Test("a volume on an object store is asked for as its attributes and mount options say; options win")
  func objectStore() throws {
    let plan = try PublishPlan.example(
      target: "/k/a", flags: ["alluxio.underfs.s3.region=there"],
      values: ["path": "s3://bucket/p", "alluxio.underfs.s3.region": "here", "pageStoreSize": "1Gi", "pageSize": "2Mi"])
    let store = try #require(plan.objectStore)
    #expect(store.properties.region == "there")
    #expect(store.pageStoreBytes == 1 << 30 && store.pageSize == 2 << 20 && store.pageStore == "/s/pages")
    #expect(store.usesNodeCredentials && plan.fileRoots.isEmpty && !plan.needsSecrets)
    #expect(try PublishPlan.example(target: "/k/a").objectStore == nil)
    #expect(throws: CSIError.self) {
      try PublishPlan.example(target: "/k/a", flags: ["alluxio.underfs.s3.region=there"])
    }
  }

  @Test("an inline volume never uses the node's own credentials")
  func inlineObjectStore() throws {
    let inline = ["path": "s3://bucket/p", "csi.storage.k8s.io/ephemeral": "true"]
    #expect(try PublishPlan.example(target: "/k/a", values: inline).objectStore?.usesNodeCredentials == false)
    let error = #expect(throws: CSIError.self) {
      try PublishPlan.example(target: "/k/a", values: inline.merging(["pageSize": "1Mi"]) { $1 })
    }
    #expect(error?.message.contains("may not be set by an inline volume") == true)
  }

  @Test("secrets that are no pair for the path are refused at once, and not repeated")
  func badSecrets() throws {
    for (path, secrets) in [
      ("s3://bucket", ["s3a.accessKeyId": "hush"]),
      ("s3://bucket", ["s3a.accessKeyId": "hu sh", "s3a.secretKey": "x"]),
      ("s3://bucket", ["s3a.accesKeyId": "hush"]), ("oss://bucket", ["fs.oss.accessKeySecret": "hush"]),
    ] {
      let oss = path.hasPrefix("oss") ? ["fs.oss.endpoint": "host.example"] : [:]
      let error = #expect(throws: CSIError.self) {
        try PublishPlan.example(target: "/k/a", secrets: secrets, values: ["path": path].merging(oss) { $1 })
      }
      #expect(error?.code == .invalidArgument)
      #expect(error?.message.contains("correct the secret") == true && error?.message.contains("hu") == false)
    }
    #expect(try PublishPlan.example(target: "/k/a", secrets: ["s3a.accessKeyId": "id"]).secrets != nil)
  }

  @Test("no volume may keep more than the node's page store has for all")
  func pageStoreBudget() throws {
    var configuration = NodeConfiguration.example()
    configuration.pageStoreBytes = 1 << 20
    let request = NodePublishVolumeRequest(
      volumeID: "v", targetPath: "/k/a", capability: NodeFixture.capability, volumeContext: ["path": "s3://bucket"])
    #expect(try PublishPlan(request, configuration: configuration).objectStore?.pageStoreBytes == 1 << 20)
  }
}
