import Testing
import VolumeModel

@Suite("Keys of object stores")
struct ObjectStoreKeyTests {
  private func parse(_ path: String, _ entries: [String: String]) throws(VolumeContextError) -> ObjectStoreProperties {
    let context = try VolumeContext(
      parsing: entries.merging(["path": path]) { $1 }, from: .parameters, schemes: [.file, .s3, .oss])
    return try ObjectStoreProperties(context.values, of: context.underFileSystem)
  }

  private func problem(_ path: String, _ entries: [String: String]) -> VolumeContextError? {
    do throws(VolumeContextError) {
      _ = try parse(path, entries)
      return nil
    } catch {
      return error
    }
  }

  @Test("an s3:// volume takes endpoint, regions and style, and needs none of them")
  func s3() throws {
    #expect(try parse("s3://bucket/prefix", [:]) == ObjectStoreProperties())
    let all = try parse(
      "s3://bucket",
      [
        "alluxio.underfs.s3.endpoint": "http://minio:9000", "alluxio.underfs.s3.endpoint.region": "local-1",
        "alluxio.underfs.s3.region": "eu-west-1", "alluxio.underfs.s3.disable.dns.buckets": "true",
      ])
    #expect(all.address == ObjectStoreAddress(isSecure: false, host: "minio", port: 9000))
    #expect(all.region == "eu-west-1")
    #expect(all.endpointRegion == "local-1")
    #expect(all.isPathStyle)
  }

  @Test("a role is named with what its token and its STS are; both mean nothing without it")
  func role() throws {
    let role = "arn:aws:iam::123456789012:role/reader"
    #expect(try parse("s3://bucket", ["roleArn": role]).webIdentity == WebIdentity(role: role))
    let given = try parse(
      "s3://bucket", ["roleArn": role, "tokenAudience": "minio", "stsEndpoint": "http://minio.storage:9000"])
    #expect(given.webIdentity?.audience == "minio")
    #expect(given.webIdentity?.endpoint?.host == "minio.storage")
    for (key, value) in [("tokenAudience", "a"), ("stsEndpoint", "sts.example")] {
      #expect(problem("s3://bucket", [key: value])?.description.contains("applies only beside roleArn") == true)
    }
    for value in ["", "reader", "arn:aws:iam::123456789012:role/canary reader", "arn:\u{7}aws:iam::1:role/canary"] {
      let text = problem("s3://bucket", ["roleArn": value])?.description ?? ""
      #expect(text.contains("ARN") && !text.contains("canary"))
    }
    #expect(problem("oss://bucket", ["roleArn": role, "fs.oss.endpoint": "host"]) != nil)
  }

  @Test("an oss:// volume needs its endpoint")
  func oss() throws {
    #expect(problem("oss://bucket", [:]) == .missing(key: "fs.oss.endpoint"))
    let own = try parse("oss://bucket", ["fs.oss.endpoint": "oss-cn-hangzhou.aliyuncs.com"])
    #expect(own.address?.host == "oss-cn-hangzhou.aliyuncs.com")
  }

  @Test("keys of another scheme than the path's are refused, not ignored")
  func otherScheme() {
    for (path, key, value) in [
      ("file:///data", "alluxio.underfs.s3.region", "eu-west-1"), ("s3://bucket", "fs.oss.endpoint", "host"),
      ("file:///data", "fs.oss.endpoint", "host"),
    ] {
      #expect(problem(path, [key: value])?.description.contains("applies only to") == true)
    }
  }

  private func options(_ entries: [String: String]) throws(VolumeContextError) -> ObjectStoreOptions? {
    try VolumeContext(
      parsing: entries.merging(["path": "s3://bucket"]) { $1 }, from: .attributes, schemes: [.file, .s3]
    ).objectStore
  }

  @Test("the page store's keys are typed and have defaults; a file:/// volume has none of it")
  func pageStore() throws {
    let standard = try #require(try options([:]))
    #expect(standard.pageStoreBytes == 10 << 30 && standard.pageSize == 1 << 20 && !standard.cachePassthrough)
    let given = try #require(try options(["pageStoreSize": "1.5Gi", "pageSize": "64Ki", "cachePassthrough": "true"]))
    #expect(given.pageStoreBytes == 3 << 29 && given.pageSize == 64 << 10)
    #expect(try options(["pageStoreSize": "0"])?.pageStoreBytes == 0)
    let request = ObjectStoreRequest(given, usesNodeCredentials: false, pageStore: "/p")
    #expect(request.pageStoreBytes == 3 << 29 && request.pageSize == 64 << 10 && request.pageStore == "/p")
    #expect(request.cachePassthrough)
    #expect(try VolumeContext(parsing: ["path": "file:///d"], from: .attributes).objectStore == nil)
    for key in ["pageStoreSize", "pageSize", "cachePassthrough"] {
      #expect(problem("file:///d", [key: "1"])?.description.contains("applies only to s3:// and oss://") == true)
    }
  }

  @Test(
    "what is no size, and no power of two within its bounds, is refused",
    arguments: [
      ("pageStoreSize", "lots-canary"), ("pageStoreSize", "-1"), ("pageStoreSize", "2Pi"), ("pageSize", "1000000"),
      ("pageSize", "32Ki"), ("pageSize", "32Mi"), ("pageSize", "0"), ("pageSize", ""), ("cachePassthrough", "canary"),
    ])
  func badPageStore(key: String, value: String) throws {
    let error = try #require(problem("s3://bucket", [key: value]))
    guard case .malformed(key, _, _) = error else {
      Issue.record("\(error)")
      return
    }
    #expect(!error.description.contains("canary"))
  }

  @Test(
    "an endpoint is read with and without scheme, port and slash",
    arguments: [
      ("s3.eu-west-1.amazonaws.com", "https://s3.eu-west-1.amazonaws.com"),
      ("https://Minio.Example/", "https://minio.example"), ("HTTP://10.0.0.7:9000", "http://10.0.0.7:9000"),
      ("[fd00::7]:9000", "https://[fd00::7]:9000"), ("https://store:443", "https://store"),
      ("http://store:80/", "http://store"), ("http://store:443", "http://store:443"),
    ])
  func endpoints(text: String, meaning: String) throws {
    #expect(try ObjectStoreAddress(parsing: text).description == meaning)
  }

  @Test(
    "what is no endpoint is refused with its reason and without its text",
    arguments: [
      ("", "no host name"), ("https://", "no host name"), ("https://user:canary@host", "user or password"),
      ("host/canary", "path"), ("host?canary", "path"), ("host:0", "port"), ("host:canary", "port"),
      ("host:99999", "port"), ("ho st", "character"), ("host\n", "character"), ("a..b", "empty"), ("[::1", "bracket"),
      ("[::1]canary", "behind the address"), ("http://169.254.169.254", "link-local"), ("[fe80::1]", "link-local"),
      ("ftp://canary", "path"), (".canary", "empty"),
    ])
  func notEndpoints(text: String, reason: String) throws {
    let error = try #require(problem("s3://bucket", ["alluxio.underfs.s3.endpoint": text]))
    #expect(error.description.contains(reason), "\(error)")
    #expect(!error.description.contains("canary"))
  }

  @Test("regions that cannot stand in a host name are refused", arguments: ["", "EU", "a.b", "a/b", "a b"])
  func regions(text: String) {
    for key in ["alluxio.underfs.s3.region", "alluxio.underfs.s3.endpoint.region"] {
      #expect(problem("s3://bucket", [key: text])?.description.contains("name of a region") == true)
    }
  }

  @Test("keys are read under their names and aliases, with and without a token")
  func credentials() throws {
    for prefix in ["s3a", "aws", "s3"] {
      let secrets = ["\(prefix).accessKeyId": "AKIA", "\(prefix).secretKey": "secret\n", "fs.oss.accessKeyId": "other"]
      let pair = try ObjectStoreCredentials(secrets: secrets, for: .s3)
      #expect(pair == ObjectStoreCredentials(accessKeyID: "AKIA", secretKey: "secret"))
    }
    let oss = try ObjectStoreCredentials(
      secrets: ["fs.oss.accessKeyId": "a", "fs.oss.accessKeySecret": "b", "fs.oss.securityToken": "c"], for: .oss)
    #expect(oss == ObjectStoreCredentials(accessKeyID: "a", secretKey: "b", sessionToken: "c"))
    #expect(try ObjectStoreCredentials(secrets: ["fs.oss.accessKeyId": "a"], for: .s3) == nil)
    #expect(try ObjectStoreCredentials(secrets: ["s3a.accessKeyId": "a"], for: .file) == nil)
  }

  @Test("half a pair, a value twice, a misspelled key and a value with a space are refused, and never repeated")
  func badCredentials() {
    func problem(_ secrets: [String: String]) -> VolumeContextError? {
      do throws(VolumeContextError) {
        _ = try ObjectStoreCredentials(secrets: secrets, for: .s3)
        return nil
      } catch {
        return error
      }
    }
    #expect(problem(["s3a.accessKeyId": "canary"]) == .missing(key: "s3a.secretKey"))
    #expect(problem(["aws.secretKey": "canary"]) == .missing(key: "s3a.accessKeyId"))
    #expect(problem(["s3a.sessionToken": "canary"]) == .missing(key: "s3a.accessKeyId"))
    let doubled = problem(["s3a.accessKeyId": "canary", "aws.accessKeyId": "canary", "s3a.secretKey": "canary"])
    #expect(doubled == .doubled(key: "aws.accessKeyId", other: "s3a.accessKeyId"))
    #expect(problem(["s3a.accessKeyID": "canary"]) == .unknown(key: "s3a.accessKeyID", nearest: "s3a.accessKeyId"))
    #expect(problem(["unrelated-entry": "canary"]) == nil)
    let blank = problem(["s3a.accessKeyId": "can ary", "s3a.secretKey": "x"])
    #expect(blank?.description.contains("without spaces") == true)
    #expect(blank?.description.contains("ary") == false)
  }

  @Test("credentials show nothing of themselves, by any way of printing")
  func hidden() {
    let pair = ObjectStoreCredentials(accessKeyID: "canary-id", secretKey: "canary-key", sessionToken: "canary-token")
    var dumped = ""
    dump(pair, to: &dumped)
    for text in ["\(pair)", String(reflecting: pair), dumped, "\([pair])", "\(Optional(pair) as Any)"] {
      #expect(!text.contains("canary"))
    }
    #expect(pair.redacting("key canary-id signed canary-keycanary-token.") == "key *** signed ******.")
  }
}
