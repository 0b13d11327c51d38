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
    self.environment = environment
  }

  /// - Throws: where the secrets hold some of the credentials and not all.
  func source(_ secrets: [String: String]) throws(VolumeContextError) -> any CredentialSource {
    if let given = try ObjectStoreCredentials(secrets: secrets, for: scheme) { return GivenCredentials(given) }
    return usesNodeCredentials ? nodeSources : AnonymousCredentials()
  }

  /// In the order in which they are asked; the first that has some decides.
  private var nodeSources: CredentialChain {
    let environment = environment
    let variable: @Sendable (String) -> String? = { environment[$0] }
    var sources: [any CredentialSource] = [EnvironmentCredentials(for: scheme, variable: variable)]
    // The others are Amazon's.
    guard scheme == .s3 else { return CredentialChain(sources) }
    sources.append(SharedFileCredentials(variable: variable))
    let region = variable("AWS_REGION") ?? variable("AWS_DEFAULT_REGION")
    if let identity = WebIdentityCredentials(transport: transport, region: region, variable: variable) {
      sources.append(identity)
    }
    // Without a proxy, which would answer with its own machine's role.
    if let role = MetadataCredentials(transport: TransportOnDemand(direct), variable: variable) { sources.append(role) }
    return CredentialChain(sources)
  }
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
