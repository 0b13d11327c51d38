internal import HTTP
internal import LinuxSystem
internal import Logging
internal import ObjectStore
internal import Synchronization
internal import VolumeModel

/// Clients of object stores for the controller, and for who asks whether one can be used. Nothing is loaded and nobody is asked before the first is needed.
final class ObjectStoreService: Sendable {
  private struct Network {
    let http: HTTPClient
    /// Without a proxy, for the addresses of a machine's role.
    let direct: HTTPClient
    let nodeCredentials: [UnderFileSystemURI.Scheme: CredentialStore]
  }

  private let needsCredentials: Bool
  private let variable: @Sendable (String) -> String?
  private let network = Mutex<Network?>(nil)
  private let log = Logger(label: "object-store")

  /// - Parameter needsCredentials: without any nothing is asked; else requests are not signed, as public buckets take them.
  init(needsCredentials: Bool = true, variable: @escaping @Sendable (String) -> String?) {
    self.needsCredentials = needsCredentials
    self.variable = variable
  }

  /// A client of a place's bucket, with the secrets' credentials, or the controller's own where there are none.
  func client(for place: ProvisioningPlace) throws(CSIError) -> ObjectStoreClient {
    let given: ObjectStoreCredentials?
    do throws(VolumeContextError) {
      given = try ObjectStoreCredentials(secrets: place.secrets, for: place.base.scheme)
    } catch {
      throw .volumeContext(error)
    }
    let network = try connect()
    guard
      let credentials = given.map({ CredentialStore(GivenCredentials($0)) })
        ?? network.nodeCredentials[place.base.scheme]
    else { throw .failed(step: "connect to \(place.base)", cause: "it is no object store") }
    var settings = ObjectStoreClient.Settings()
    // Whoever made the call repeats it.
    settings.policy = RetryPolicy(attempts: 5, longestWait: .seconds(4))
    return ObjectStoreClient(
      Endpoint(place.base, place.properties, defaultRegion: NodeCredentials.region(variable: variable)),
      transport: network.http, credentials: credentials, settings: settings, log: log)
  }

  /// Where a place's bucket is asked for, as far as is known beforehand.
  func address(of place: ProvisioningPlace) -> ObjectStoreAddress {
    Endpoint(place.base, place.properties, defaultRegion: NodeCredentials.region(variable: variable)).address
  }

  /// For requests that are not for a bucket.
  func transport() throws(CSIError) -> HTTPClient { try connect().http }

  /// Loads libcurl with the first call that gets here.
  private func connect() throws(CSIError) -> Network {
    do throws(HTTPError) {
      return try network.withLock { (network) throws(HTTPError) in
        if let network { return network }
        let made = try makeNetwork()
        network = made
        return made
      }
    } catch {
      throw .failed(step: "make an HTTP client", cause: error.message)
    }
  }

  private func makeNetwork() throws(HTTPError) -> Network {
    var configuration = HTTPConfiguration()
    if let file = variable("SSL_CERT_FILE"), !file.isEmpty { configuration.authorities = .file(file) }
    let direct = try HTTPClient(configuration)
    configuration.proxy = .environment(HTTPProxyVariables(variable))
    let http = try HTTPClient(configuration)
    let region = NodeCredentials.region(variable: variable)
    var stores: [UnderFileSystemURI.Scheme: CredentialStore] = [:]
    for scheme in [UnderFileSystemURI.Scheme.s3, .oss] {
      let source = NodeCredentials(for: scheme, transport: http, direct: direct, region: region, variable: variable)
      stores[scheme] = CredentialStore(needsCredentials ? NeededCredentials(source) : source)
    }
    return Network(http: http, direct: direct, nodeCredentials: stores)
  }
}

/// Credentials without which nothing is done: nobody writes to a bucket as nobody.
private struct NeededCredentials: CredentialSource {
  private let source: any CredentialSource

  init(_ source: any CredentialSource) { self.source = source }

  var name: String { source.name }

  func fetch(by deadline: Deadline) throws(CredentialError) -> ObjectStoreCredentials? {
    if let credentials = try source.fetch(by: deadline) { return credentials }
    throw CredentialError(
      "none were found in \(name): give the StorageClass a secret (csi.storage.k8s.io/provisioner-secret-name and "
        + "-namespace)")
  }
}
