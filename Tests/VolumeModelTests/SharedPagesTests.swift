import Testing
import VolumeModel

@Suite("The folder that volumes share their pages in")
struct SharedPagesTests {
  private let given = ["s3://bucket/data", "s3://other"].compactMap { try? UnderFileSystemURI(parsing: $0) }

  private func name(
    _ path: String, change: (inout ObjectStoreRequest) -> Void = { _ in }
  ) throws -> String? {
    var request = ObjectStoreRequest(
      properties: ObjectStoreProperties(), usesNodeCredentials: true, pageStore: "/pages", pageStoreBytes: 1)
    change(&request)
    return SharedPages(of: try UnderFileSystemURI(parsing: path), on: request, places: given)?.name
  }

  @Test("volumes beneath one place have one, those beside it none")
  func places() throws {
    let shared = try #require(try name("s3://bucket/data"))
    #expect(try name("s3://bucket/data/a/b") == shared)
    #expect(try name("s3://other") != shared)
    #expect(try name("s3://other/x") == name("s3://other"))
    for path in ["s3://bucket", "s3://bucket/dat", "s3://bucket/database", "s3://bucket2/data", "oss://bucket/data"] {
      #expect(try name(path) == nil)
    }
    #expect(SharedPages(name: shared)?.name == shared)
  }

  @Test("servers that call a bucket by one name have one each, and so has each size of pages")
  func apart() throws {
    let plain = try name("s3://other")
    let address = try ObjectStoreAddress(parsing: "http://store:9000")
    let secure = try ObjectStoreAddress(parsing: "https://store:9000")
    let names = [
      plain, try name("s3://other") { $0.properties.address = address },
      try name("s3://other") { $0.properties.address = secure }, try name("s3://other") { $0.properties.region = "cn" },
      try name("s3://other") { $0.pageSize = 1 << 21 },
    ]
    #expect(Set(names).count == names.count)
    #expect(try name("s3://other") { $0.pageStoreBytes = 5 } == plain)
    #expect(try name("s3://other") { $0.usesNodeCredentials = false } == plain)
  }

  @Test(
    "no other name is one",
    arguments: ["", "shared-", "shared-../../../../../../../../etc", "shared-0123456789ABCDEF0123456789ABCDEF", "a"])
  func names(_ name: String) { #expect(SharedPages(name: name) == nil) }
}
