import Testing
import VolumeModel

@Suite("Volume context")
struct VolumeContextTests {
  private func parse(
    _ entries: [String: String], _ source: VolumeContext.Source = .parameters
  ) throws(VolumeContextError) -> VolumeContext {
    try VolumeContext(parsing: ["path": "file:///data"].merging(entries) { $1 }, from: source)
  }

  private func problem(_ entries: [String: String], _ source: VolumeContext.Source = .parameters) -> VolumeContextError?
  {
    do throws(VolumeContextError) {
      _ = try parse(entries, source)
      return nil
    } catch {
      return error
    }
  }

  @Test("a path alone is enough, and everything else has its default")
  func defaults() throws {
    let context = try parse([:])
    #expect(context.underFileSystem.path == "/data")
    #expect(context.provisioning == .shared)
    #expect(context.onDelete == .retain)
    #expect(context.options == WorkerOptions())
    #expect(context.values == ["path": "file:///data"])
  }

  @Test("every worker option is read")
  func options() throws {
    let context = try parse([
      "attrTimeout": "0.25", "entryTimeout": "5m", "readAhead": "4Mi", "uid": "1000", "gid": "0", "umask": "027",
      "memoryLimit": "1.5Gi",
    ])
    #expect(context.options.attributeTimeoutMilliseconds == 250)
    #expect(context.options.entryTimeoutMilliseconds == 300_000)
    #expect(context.options.readAheadBytes == 4 << 20)
    #expect(context.options.uid == 1000)
    #expect(context.options.gid == 0)
    #expect(context.options.umask == 0o027)
    #expect(context.options.memoryLimitBytes == 3 << 29)
    #expect(try parse(["capacity": "1000"], .attributes).options.capacityBytes == 1000)
  }

  @Test(
    "a value that is not of its key's form is refused with the form and without the value",
    arguments: [
      ("attrTimeout", "fast-canary"), ("attrTimeout", "-1"), ("attrTimeout", "1d"), ("attrTimeout", ""),
      ("attrTimeout", "1.2.3"),
      ("entryTimeout", "86401"), ("entryTimeout", "25h"), ("readAhead", "1Ei"), ("readAhead", "2Gi"),
      ("uid", "root-canary"),
      ("uid", "4294967295"), ("uid", "+5"), ("gid", "0x10"), ("umask", "8"), ("umask", "1000"), ("umask", "-7"),
      ("memoryLimit", "1"), ("memoryLimit", "99999999999999999999Gi"), ("memoryLimit", "Mi"),
      ("provisioning", "Shared"),
      ("onDelete", "burn-canary"),
    ])
  func malformed(key: String, value: String) throws {
    var entries = key == "onDelete" ? ["provisioning": "directory"] : [:]
    entries[key] = value
    let error = try #require(problem(entries))
    guard case .malformed(key, _, _) = error else {
      Issue.record("\(error)")
      return
    }
    #expect(error.description.contains(key))
    #expect(!error.description.contains("canary"))
  }

  @Test(
    "an unknown key is refused with the nearest known one",
    arguments: [
      ("Path2", "path"), ("provisionning", "provisioning"), ("ondelete", "onDelete"), ("attr-timeout", "attrTimeout"),
      ("alluxio.underfs.s3.endpont", "alluxio.underfs.s3.endpoint"), ("memorylimit", "memoryLimit"),
    ])
  func unknown(key: String, nearest: String) {
    #expect(problem([key: "x"]) == .unknown(key: key, nearest: nearest))
  }

  @Test("a key like none is refused without a guess, and cut where it is long")
  func unlike() throws {
    #expect(problem(["completely-different": "x"]) == .unknown(key: "completely-different", nearest: nil))
    let long = try #require(problem([String(repeating: "z", count: 5000): "x"]))
    #expect(long.description.utf8.count < 500)
    let control = try #require(problem(["a\u{1b}[31mb": "x"]))
    #expect(!control.description.contains("\u{1b}"))
  }

  @Test(
    "keys of the kubelet and the provisioner pass everywhere",
    arguments: [VolumeContext.Source.parameters, .attributes, .inline])
  func orchestrator(source: VolumeContext.Source) throws {
    let keys = ["csi.storage.k8s.io/pvc/name": "claim", "storage.kubernetes.io/csiProvisionerIdentity": "1-2-alluxio"]
    let context = try parse(keys, source)
    #expect(context.orchestrator == keys)
    #expect(context.values == ["path": "file:///data"])
  }

  @Test("the path is needed, and a scheme that a build lacks is refused by name")
  func paths() {
    #expect(throws: VolumeContextError.missing(key: "path")) { try VolumeContext(parsing: [:], from: .parameters) }
    for scheme in ["s3", "oss"] {
      let error = #expect(throws: VolumeContextError.self) {
        try VolumeContext(parsing: ["path": "\(scheme)://bucket/prefix"], from: .parameters, schemes: [.file])
      }
      #expect(error?.description.contains("\(scheme)://, which is not available in this build") == true)
    }
    #expect(problem(["path": "/data"])?.description.contains("bare path") == true)
    #expect((try? VolumeContext(parsing: ["path": "s3://bucket"], from: .parameters, schemes: [.s3])) != nil)
  }

  @Test(
    "keys of later versions, or of what a build lacks, are known and refused, not ignored",
    arguments: [
      "alluxioClusterName", "alluxioClusterNamespace", "pageStoreSize", "pageSize", "cachePassthrough",
      "alluxio.underfs.s3.endpoint", "alluxio.underfs.s3.region", "alluxio.underfs.s3.disable.dns.buckets",
      "fs.oss.endpoint",
    ])
  func later(key: String) {
    let error = #expect(throws: VolumeContextError.self) {
      try VolumeContext(parsing: ["path": "file:///data", key: "x"], from: .parameters, schemes: [.file])
    }
    #expect(error?.description.contains("not supported by this version") == true)
  }

  @Test(
    "a secret among parameters is refused with the place where it belongs",
    arguments: ["s3a.secretKey", "aws.secretKey", "fs.oss.accessKeySecret"])
  func secret(key: String) throws {
    let error = try #require(problem([key: "canary-5ecret"]))
    #expect(error.description.contains("secret that the StorageClass"))
    #expect(!error.description.contains("canary"))
  }

  @Test(
    "inline volumes may not ask for what is an administrator's",
    arguments: [
      "provisioning", "directoryPattern", "onDelete", "memoryLimit", "capacity", "alluxioClusterName", "pageStoreSize",
    ])
  func inline(key: String) {
    let error = problem([key: "shared", "csi.storage.k8s.io/ephemeral": "true"], .inline)
    #expect(error?.description.contains("may not be set by an inline volume") == true)
  }

  @Test("attributes are inline where the kubelet says so")
  func whichSource() throws {
    #expect(throws: VolumeContextError.self) {
      try VolumeContext(attributes: ["path": "file:///d", "memoryLimit": "1Gi", VolumeContextKey.ephemeral: "true"])
    }
    let own = try VolumeContext(attributes: [
      "path": "file:///d", "memoryLimit": "1Gi", VolumeContextKey.ephemeral: "false",
    ])
    #expect(own.options.memoryLimitBytes == 1 << 30)
  }

  @Test("keys of a provisioned directory are refused where there is none")
  func together() throws {
    #expect(problem(["onDelete": "delete"])?.description.contains("provisioning=directory") == true)
    #expect(problem(["directoryPattern": "x"])?.description.contains("provisioning=directory") == true)
    #expect(try parse(["onDelete": "delete", "provisioning": "directory"]).onDelete == .delete)
    #expect(
      problem(["provisioning": "directory"], .attributes)?.description.contains("StorageClass parameters") == true)
    #expect(problem(["capacity": "1"], .parameters)?.description.contains("cannot be a StorageClass parameter") == true)
  }

  @Test("one key by two names is refused")
  func doubled() throws {
    #expect(problem(["attrTimeout": "1", "attr_timeout": "2"]) == .doubled(key: "attr_timeout", other: "attrTimeout"))
    #expect(try parse(["attr_timeout": "2"]).values["attrTimeout"] == "2")
  }

  @Test("names and aliases are unique, every default is readable, no path on the node comes from an inline volume")
  func table() throws {
    let names = VolumeContextKey.all.flatMap { [$0.name] + $0.aliases }
    #expect(Set(names).count == names.count)
    for key in VolumeContextKey.all {
      #expect(!key.meaning.isEmpty)
      #expect(!(key.namesNodePath && key.places.contains(.inline)))
      if let value = key.defaultValue {
        // What they say something about.
        let subject: [String: String] =
          switch key.name {
          case "onDelete", "directoryPattern": ["provisioning": "directory"]
          case "tokenAudience": ["roleArn": "arn:aws:iam::123456789012:role/reader"]
          default: [:]
          }
        let path = if case .only = key.availability { "s3://bucket" } else { "file:///data" }
        let entries = [key.name: value, "path": path].merging(subject) { first, _ in first }
        _ = try VolumeContext(parsing: entries, from: .parameters, schemes: [.file, .s3, .oss])
      }
    }
  }
}
