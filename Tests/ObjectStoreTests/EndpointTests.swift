import ObjectStore
import Testing
import VolumeModel

@Suite("Endpoints of buckets")
struct EndpointTests {
  private func endpoint(
    _ path: String, address: String? = nil, region: String? = nil, endpointRegion: String? = nil,
    isPathStyle: Bool = false, defaultRegion: String? = nil
  ) throws -> Endpoint {
    var properties = ObjectStoreProperties()
    properties.address = try address.map { try ObjectStoreAddress(parsing: $0) }
    properties.region = region
    properties.endpointRegion = endpointRegion
    properties.isPathStyle = isPathStyle
    return Endpoint(try UnderFileSystemURI(parsing: path), properties, defaultRegion: defaultRegion)
  }

  @Test("without an endpoint it is Amazon's of the region, and without a region a guess that the server corrects")
  func amazon() throws {
    let known = try endpoint("s3://bucket/p", region: "eu-west-1")
    #expect(known.authority == "bucket.s3.eu-west-1.amazonaws.com")
    #expect(known.isRegionKnown)
    let china = try endpoint("s3://bucket", region: "cn-north-1")
    #expect(china.authority == "bucket.s3.cn-north-1.amazonaws.com.cn")
    var guessed = try endpoint("s3://bucket")
    #expect(guessed.authority == "bucket.s3.us-east-1.amazonaws.com")
    #expect(!guessed.isRegionKnown)
    let isNews = guessed.learn(region: "ap-southeast-2")
    #expect(isNews)
    #expect(guessed.authority == "bucket.s3.ap-southeast-2.amazonaws.com")
    let again = guessed.learn(region: "ap-southeast-2")
    #expect(!again)
    #expect(try endpoint("s3://bucket", defaultRegion: "eu-north-1").region == "eu-north-1")
  }

  @Test("a region that could name another host is not learned", arguments: ["evil.example/", "a.b", "", "EU", "x@y"])
  func hostileRegion(region: String) throws {
    var endpoint = try endpoint("s3://bucket")
    let isNews = endpoint.learn(region: region)
    #expect(!isNews)
    #expect(endpoint.authority == "bucket.s3.us-east-1.amazonaws.com")
  }

  @Test("an endpoint that was given stays, whatever region the server names")
  func override() throws {
    var endpoint = try endpoint("s3://bucket", address: "https://minio.example:9000", endpointRegion: "local")
    #expect(endpoint.authority == "bucket.minio.example:9000")
    #expect(endpoint.region == "local")
    let isNews = endpoint.learn(region: "other-1")
    #expect(isNews)
    #expect(endpoint.region == "other-1")
    #expect(endpoint.authority == "bucket.minio.example:9000")
  }

  @Test("the region of the endpoint wins over that of the bucket, and both over the host name's")
  func regions() throws {
    let address = "s3.eu-west-1.amazonaws.com"
    #expect(try endpoint("s3://bucket", address: address).region == "eu-west-1")
    #expect(try endpoint("s3://bucket", address: address, region: "a").region == "a")
    #expect(try endpoint("s3://bucket", address: address, region: "a", endpointRegion: "b").region == "b")
  }

  @Test(
    "the style follows from bucket and endpoint",
    arguments: [
      ("s3://bucket", "https://host.example", false, "bucket.host.example", "/k"),
      ("s3://bucket", "https://host.example", true, "host.example", "/bucket/k"),
      ("s3://my.bucket", "https://host.example", false, "host.example", "/my.bucket/k"),
      ("s3://my.bucket", "http://host.example", false, "my.bucket.host.example", "/k"),
      ("s3://bucket", "http://127.0.0.1:8080", false, "127.0.0.1:8080", "/bucket/k"),
      ("s3://bucket", "http://[::1]:8080", false, "[::1]:8080", "/bucket/k"),
      ("s3://bucket", "http://minio:9000", false, "minio:9000", "/bucket/k"),
    ])
  func styles(path: String, address: String, isPathStyle: Bool, authority: String, keyPath: String) throws {
    let endpoint = try endpoint(path, address: address, isPathStyle: isPathStyle)
    #expect(endpoint.authority == authority)
    #expect(endpoint.path(of: "k") == keyPath)
  }

  @Test("the bucket itself, and keys that must be encoded")
  func paths() throws {
    let virtual = try endpoint("s3://bucket", address: "https://host.example")
    #expect(virtual.path(of: nil) == "/")
    #expect(virtual.path(of: "a b/../c") == "/a%20b/../c")
    let path = try endpoint("s3://bucket", address: "https://host.example", isPathStyle: true)
    #expect(path.path(of: nil) == "/bucket")
    #expect(path.path(of: "/x") == "/bucket//x")
  }

  @Test(
    "OSS answers S3's protocol at a name of its own",
    arguments: [
      ("oss-cn-hangzhou.aliyuncs.com", "bucket.s3.oss-cn-hangzhou.aliyuncs.com", "cn-hangzhou"),
      ("http://oss-cn-beijing-internal.aliyuncs.com", "bucket.s3.oss-cn-beijing-internal.aliyuncs.com", "cn-beijing"),
      ("s3.oss-eu-central-1.aliyuncs.com", "bucket.s3.oss-eu-central-1.aliyuncs.com", "eu-central-1"),
      ("store.example", "bucket.store.example", "us-east-1"),
    ])
  func oss(address: String, authority: String, region: String) throws {
    let endpoint = try endpoint("oss://bucket/p", address: address)
    #expect(endpoint.authority == authority)
    #expect(endpoint.region == region)
    #expect(endpoint.service == .oss)
  }

  @Test(
    "regions in the names of Amazon's endpoints",
    arguments: [
      ("s3.amazonaws.com", "us-east-1"), ("s3.eu-west-1.amazonaws.com", "eu-west-1"),
      ("s3-eu-west-1.amazonaws.com", "eu-west-1"), ("s3.dualstack.eu-west-1.amazonaws.com", "eu-west-1"),
      ("s3.cn-north-1.amazonaws.com.cn", "cn-north-1"),
      ("bucket.vpce-1a2b.s3.us-west-2.vpce.amazonaws.com", "us-west-2"), ("s3-accelerate.amazonaws.com", nil),
      ("minio.example", nil),
    ])
  func names(host: String, region: String?) throws {
    let endpoint = try endpoint("s3://bucket", address: host)
    #expect(endpoint.isRegionKnown == (region != nil))
    if let region { #expect(endpoint.region == region) }
  }
}
