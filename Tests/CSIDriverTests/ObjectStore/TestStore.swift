import HTTP
import ObjectStoreServers
import TestSupport
import Testing

/// A server of S3 with the bucket `bucket`, and what volumes on it are given.
final class TestStore: Sendable {
  /// What rclone takes; moto takes any.
  static let keyID = "canary-access-key-0123456789"
  static let secretKey = "canary-secret-key-0123456789"

  private static let signature =
    "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"

  let server: ServerProcess
  private let http: HTTPClient
  private let folder: TemporaryDirectory?

  /// Conditions and multipart uploads; it asks whether a request is signed, and not how.
  static func moto() throws -> TestStore {
    let store = try TestStore(.moto(), nil)
    _ = try #require(try store.request("PUT", ""), "the bucket was not made")
    return store
  }

  /// It verifies signatures. Its bucket is `folder/bucket`.
  static func rclone() throws -> TestStore {
    let folder = try TemporaryDirectory("store")
    try folder.makeDirectory("bucket")
    try folder.write("from below", to: "bucket/below")
    return try TestStore(
      .rclone(folder: folder.path, accessKey: keyID, secretKey: secretKey), folder)
  }

  private init(_ server: ServerProcess, _ folder: TemporaryDirectory?) throws {
    self.server = server
    self.folder = folder
    http = try HTTPClient()
  }

  /// The context of a volume that shows the bucket.
  /// - Parameter url: of a proxy before the server.
  func context(bucket: String = "bucket", at url: String? = nil) -> [String: String] {
    ["path": "s3://\(bucket)", "alluxio.underfs.s3.endpoint": url ?? server.url]
  }

  static func secrets(id: String = keyID, key: String = secretKey) -> [String: String] {
    ["s3a.accessKeyId": id, "s3a.secretKey": key]
  }

  /// Of moto.
  /// - Parameter isPublic: whoever signs nothing may read it.
  func put(_ key: String, _ text: String, isPublic: Bool = false) throws {
    _ = try request("PUT", "/\(key)", Array(text.utf8), isPublic ? [HTTPField("x-amz-acl", "public-read")] : [])
  }

  /// Of moto; nil where there is none.
  func text(_ key: String) throws -> String? {
    try request("GET", "/\(key)").map { String(decoding: $0, as: UTF8.self) }
  }

  private func request(
    _ method: String, _ path: String, _ body: [UInt8] = [], _ fields: [HTTPField] = []
  ) throws -> [UInt8]? {
    var request = HTTPRequest(method: method, url: "\(server.url)/bucket\(path)", body: .bytes(body))
    request.fields = [HTTPField("Authorization", Self.signature)] + fields
    let response = try http.perform(request, bodyLimit: 64 << 20)
    return response.head.status == 200 ? response.body : nil
  }
}
