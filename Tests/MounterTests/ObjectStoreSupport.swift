import Glibc
import HTTP
import LinuxSystem
import Mounter
import ObjectStoreServers
import SystemPackage
import TestSupport
import VolumeModel

/// A bucket of a real server, and volumes on it.
struct TestBucket: Sendable {
  let server: ServerProcess
  let name = "bucket"
  private let client: HTTPClient
  /// Of rclone: its bucket is a directory.
  private let folder: TemporaryDirectory?

  /// As rclone wants them: 20 characters and more.
  static let accessKey = "ABCDEFGHIJKLMNOPQRST"
  static let secretKey = "abcdefghijklmnopqrstuvwxyz0123456789ABCD"

  /// Which keeps conditions and takes any key.
  static func moto() throws -> TestBucket {
    let bucket = TestBucket(server: try .moto(), client: try HTTPClient(), folder: nil)
    try bucket.send("PUT", "")
    return bucket
  }

  /// Which takes one pair of keys and no other.
  static func rclone() throws -> TestBucket {
    let folder = try TemporaryDirectory("rclone")
    try folder.makeDirectory("bucket")
    let server = try ServerProcess.rclone(folder: folder.path, accessKey: accessKey, secretKey: secretKey)
    return TestBucket(server: server, client: try HTTPClient(), folder: folder)
  }

  private init(server: ServerProcess, client: HTTPClient, folder: TemporaryDirectory?) {
    (self.server, self.client, self.folder) = (server, client, folder)
  }

  /// Puts an object there behind the volume's back.
  func put(_ key: String, _ bytes: [UInt8]) throws {
    if let folder {
      try folder.write(String(decoding: bytes, as: UTF8.self), to: "bucket/\(key)")
    } else {
      try send("PUT", key, bytes)
    }
  }

  /// What is in the bucket, not in the volume; nil: no such object.
  func get(_ key: String) throws -> [UInt8]? {
    let answer = try client.perform(request("GET", key, []), bodyLimit: 1 << 28)
    return answer.head.status == 200 ? answer.body : nil
  }

  /// The same as text.
  func text(_ key: String) throws -> String? { try get(key).map { String(decoding: $0, as: UTF8.self) } }

  private func request(_ method: String, _ key: String, _ bytes: [UInt8]) -> HTTPRequest {
    HTTPRequest(
      method: method, url: "\(server.url)/\(name)\(key.isEmpty ? "" : "/\(key)")", fields: [Self.signature],
      body: .bytes(bytes))
  }

  /// Moto verifies none, but knows by it that somebody asks.
  private static let signature = HTTPField(
    "Authorization",
    "AWS4-HMAC-SHA256 Credential=\(accessKey)/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0")

  private func send(_ method: String, _ key: String, _ bytes: [UInt8] = []) throws {
    let answer = try client.perform(request(method, key, bytes), bodyLimit: 1 << 20)
    guard answer.head.status == 200 else {
      throw Errno.ioError
    }
  }

  /// Keys that the server takes.
  static var secrets: VolumeSecrets { secrets(secretKey) }

  static func secrets(_ secretKey: String) -> VolumeSecrets {
    VolumeSecrets(["s3a.accessKeyId": accessKey, "s3a.secretKey": secretKey])
  }
}

extension RunningMounter {
  /// - Parameters:
  ///   - url: another address than the server's.
  ///   - bucket: another than is there.
  func request(
    _ name: String, on store: TestBucket, url: String? = nil, bucket: String? = nil,
    change: (inout ObjectStoreRequest) -> Void = { _ in }
  ) throws -> MountRequest {
    var properties = ObjectStoreProperties()
    properties.address = try ObjectStoreAddress(parsing: url ?? store.server.url)
    properties.region = "us-east-1"
    properties.isPathStyle = true
    var request = ObjectStoreRequest(
      properties: properties, usesNodeCredentials: false, pageStore: paths.pageStore, pageStoreBytes: 64 << 20)
    change(&request)
    let key = WorkerKey(volumeID: name)
    return MountRequest(
      key: key, underFileSystem: UnderFileSystemURI(scheme: .s3, authority: bucket ?? store.name, path: ""),
      mountPoint: paths.mountPoint(key), fileRoots: [], options: WorkerOptions(), objectStore: request)
  }

  /// The folder of a volume's worker in the page store.
  func pageFolder(_ request: MountRequest) -> String { "\(paths.pageStore)/\(request.key.name)" }

  /// Kills the volume's worker, and returns when another one serves.
  func replaceWorker(_ request: MountRequest) async throws {
    guard let pid = try await mount(request).pid else { throw Errno.noSuchProcess }
    let process = try PidFD(pid: pid)
    try process.signal(SIGKILL)
    _ = try await OwnThread.run { try process.hasEnded(within: Waiting.limit) }
    while true {
      let status = try await mount(request)
      if let next = status.pid, next != pid { return }
    }
  }

  /// Until the mounter says so of the volume.
  func untilStatus(_ request: MountRequest, _ condition: (WorkerStatus) -> Bool) async throws -> WorkerStatus {
    let limit = Deadline.after(.patient)
    while !limit.hasPassed {
      if let status = try await client.status(of: request.key, by: Self.patience), condition(status) { return status }
      sched_yield()
    }
    throw Errno.timedOut
  }
}
