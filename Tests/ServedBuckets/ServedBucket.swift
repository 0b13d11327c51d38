import HTTP
import LinuxSystem
import Logging
package import ObjectStore
package import ObjectStoreServers
import Synchronization
import TestSupport
package import UnderFileSystem
import VolumeModel

/// A bucket of its own in a real server that all tests of the process share, reached through libcurl.
package final class ServedBucket: Sendable {
  /// The servers, and what they are like.
  package enum Service: Sendable, CaseIterable {
    /// Honours conditions, has uploads in parts; verifies no signature.
    case moto
    /// `rclone serve s3` of a folder: verifies signatures; ignores conditions, has no markers of directories, and copies no
    /// parts.
    case rclone
  }

  /// Unique in the process: a prefix made of it is nobody else's, in whatever bucket.
  package let name: String
  package let client: ObjectStoreClient
  package let bucket: ClientBucket
  /// Before the server; nil: requests go there themselves.
  package let proxy: FaultProxy?
  /// The place of the first of this bucket's rules among the proxy's.
  private let firstRule: Int
  private let ruleCount: Int

  private static let pair = ObjectStoreCredentials(
    accessKeyID: "canary-access-key-0123456789", secretKey: "canary-secret-key-0123456789")
  private static let http = Result { try HTTPClient() }
  private static let count = Atomic<Int>(0)
  /// Rules of a proxy belong to one bucket each, and are added in one go.
  private static let adding = Mutex(())

  /// - Parameter faults: what the proxy does to requests for this bucket; nil: no proxy.
  package init(_ service: Service, behind faults: [Fault]? = nil) throws {
    let http = try Self.http.get()
    let running = try RunningService.of(service)
    let name = "bucket-\(Self.count.add(1, ordering: .relaxed).newValue)"
    self.name = name
    try running.makeBucket(name, http)
    let proxy = faults == nil ? nil : try running.proxy.get()
    self.proxy = proxy
    let ownFaults = (faults ?? []).map { fault in
      var fault = fault
      fault.path = "^/\(name)(/|\\?).*\(fault.path ?? "")"
      return fault
    }
    ruleCount = ownFaults.count
    firstRule = try Self.adding.withLock { _ in
      try ownFaults.isEmpty ? 0 : proxy?.inject(ownFaults) ?? 0
    }
    var properties = ObjectStoreProperties()
    properties.address = try ObjectStoreAddress(parsing: proxy?.url ?? running.server.url)
    var settings = ObjectStoreClient.Settings()
    // Waits that other clients need to get out of each other's way would be all that a test does.
    settings.policy = RetryPolicy(firstWait: .milliseconds(1), longestWait: .milliseconds(20))
    client = ObjectStoreClient(
      Endpoint(try UnderFileSystemURI(parsing: "s3://\(name)"), properties), transport: http,
      credentials: CredentialStore(GivenCredentials(Self.pair)), settings: settings, log: Logger(label: "test"))
    bucket = ClientBucket(client)
  }

  /// How often each fault has acted, in their order.
  package func injected() throws -> [Int] {
    guard let proxy else { return [] }
    return Array(try proxy.injected()[firstRule..<firstRule + ruleCount])
  }

  /// All keys, with a page of the listing after the other.
  package func keys(_ prefix: ObjectKey = "") throws -> [ObjectKey] {
    var request = ListRequest(prefix: prefix)
    request.isDelimited = false
    var keys: [ObjectKey] = []
    repeat {
      let page = try bucket.list(request)
      keys += page.objects.map(\.key)
      request.continuation = page.continuation
    } while request.continuation != nil
    return keys
  }
}

/// A server that runs until the process ends, and the fault proxy before it.
private struct RunningService: Sendable {
  let server: ServerProcess
  let proxy: Result<FaultProxy, any Error>
  /// Whether buckets are made by a request; there are some otherwise.
  private let makesBuckets: Bool

  private static let moto = Result { try RunningService(.moto(), makesBuckets: true) }
  private static let rclone = Result {
    let folder = try TemporaryDirectory("buckets")
    // It remembers which folders there are.
    for number in 1...bucketCount { try folder.makeDirectory("bucket-\(number)") }
    let server = try ServerProcess.rclone(
      folder: folder.path, accessKey: "canary-access-key-0123456789", secretKey: "canary-secret-key-0123456789",
      removesFolder: true)
    return (folder, try RunningService(server, makesBuckets: false))
  }

  private static let bucketCount = 500

  static func of(_ service: ServedBucket.Service) throws -> RunningService {
    switch service {
    case .moto: try moto.get()
    case .rclone: try rclone.get().1
    }
  }

  private init(_ server: ServerProcess, makesBuckets: Bool) throws {
    self.server = server
    self.makesBuckets = makesBuckets
    proxy = Result { try FaultProxy(before: server) }
  }

  func makeBucket(_ name: String, _ http: HTTPClient) throws {
    guard makesBuckets else { return }
    let made = try http.perform(HTTPRequest(method: "PUT", url: "\(server.url)/\(name)"), bodyLimit: 65_536)
    guard made.head.status == 200 else {
      throw NoBucket(status: made.head.status)
    }
  }

  private struct NoBucket: Error { var status: Int }
}
