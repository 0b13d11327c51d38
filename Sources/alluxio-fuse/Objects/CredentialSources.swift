import HTTP
import LinuxSystem
import ObjectStore
import Synchronization
import VolumeModel

/// Where a volume's credentials come from: its secrets; where these hold none, the node's own, if the volume may use
/// them; else none, as for public buckets.
struct CredentialSources: Sendable {
  let transport: HTTPClient
  private let scheme: UnderFileSystemURI.Scheme
  private let usesNodeCredentials: Bool
  private let environment: [String: String]
  private let direct: HTTPConfiguration
  private let properties: ObjectStoreProperties
  private let token = LatestToken()

  /// - Throws: `.library`.
  init(
    _ request: ObjectStoreRequest, _ scheme: UnderFileSystemURI.Scheme, _ environment: [String: String]
  ) throws(ObjectVolume.Problem) {
    var configuration = HTTPConfiguration()
    if let file = environment["SSL_CERT_FILE"], !file.isEmpty { configuration.authorities = .file(file) }
    direct = configuration
    configuration.proxy = .environment(HTTPProxyVariables { environment[$0] })
    do throws(HTTPError) { transport = try HTTPClient(configuration) } catch { throw .library(error) }
    self.scheme = scheme
    usesNodeCredentials = request.usesNodeCredentials
    properties = request.properties
    self.environment = environment
  }

  /// - Throws: where the secrets hold some of the credentials and not all.
  func source(_ secrets: [String: String]) throws(VolumeContextError) -> any CredentialSource {
    if let identity = properties.webIdentity { return try webIdentity(identity, secrets) }
    if let given = try ObjectStoreCredentials(secrets: secrets, for: scheme) { return GivenCredentials(given) }
    return usesNodeCredentials ? nodeSources : AnonymousCredentials()
  }

  /// The role that the volume names, and nothing in its place.
  private func webIdentity(
    _ identity: WebIdentity, _ secrets: [String: String]
  ) throws(VolumeContextError) -> WebIdentityCredentials {
    let key = VolumeContextKey.webIdentityToken.name
    guard let text = secrets[key] else { throw .missing(key: key) }
    token.set(ObjectStoreSecret(text))
    return WebIdentityCredentials(
      transport: transport, token: .given { [token] in token.value }, role: identity.role,
      region: properties.region ?? region, endpoint: identity.endpoint)
  }

  /// Keeps another token for when credentials run out. All pods of a service account have tokens of their own, which come
  /// again and again: STS is not asked for each.
  /// - Returns: false: the volume has credentials of another kind.
  func keepToken(of secrets: [String: String]) -> Bool {
    guard properties.webIdentity != nil, let text = secrets[VolumeContextKey.webIdentityToken.name] else {
      return false
    }
    token.set(ObjectStoreSecret(text))
    return true
  }

  private var region: String? { NodeCredentials.region { environment[$0] } }

  private var nodeSources: NodeCredentials {
    let environment = environment
    // Without a proxy, which would answer with its own machine's role.
    return NodeCredentials(
      for: scheme, transport: transport, direct: TransportOnDemand(direct), region: region,
      variable: { environment[$0] })
  }
}

/// The token that came last.
private final class LatestToken: Sendable {
  private let latest = Mutex<ObjectStoreSecret?>(nil)

  var value: ObjectStoreSecret? { latest.withLock { $0 } }
  func set(_ token: ObjectStoreSecret) { latest.withLock { $0 = token } }
}

/// A client that is made with the first request: most volumes never ask for the machine's role.
private final class TransportOnDemand: HTTPTransport {
  private let configuration: HTTPConfiguration
  private let client = Mutex<HTTPClient?>(nil)

  init(_ configuration: HTTPConfiguration) { self.configuration = configuration }

  private func made() throws(HTTPError) -> HTTPClient {
    try client.withLock { (client) throws(HTTPError) in
      if let client { return client }
      let new = try HTTPClient(configuration)
      client = new
      return new
    }
  }

  func begin(
    _ request: HTTPRequest, sink: any HTTPBodySink,
    completion: @escaping @Sendable (Result<HTTPResponseHead, HTTPError>) -> Void
  ) -> any HTTPExchange {
    do throws(HTTPError) {
      return try made().begin(request, sink: sink, completion: completion)
    } catch {
      completion(.failure(error))
      return NothingUnderWay()
    }
  }
}

private struct NothingUnderWay: HTTPExchange {
  func cancel() {}
  func resume() {}
}
