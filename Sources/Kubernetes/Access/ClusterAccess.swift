package import HTTP

/// Where the API server is, who vouches for it, and as whom it is asked.
package struct ClusterAccess: Sendable {
  /// As whom requests are made, beside the certificate that ``identity`` shows.
  package enum Token: Sendable {
    case none
    /// A secret.
    case fixed(String)
    /// The path of a file that somebody replaces before the token in it expires, as the kubelet does.
    case file(String)
  }

  /// `https://HOST:PORT`, perhaps with a path, without a slash at its end.
  package var server: String
  package var authorities: HTTPConfiguration.Authorities
  package var identity: HTTPConfiguration.Identity?
  package var token: Token
  /// Where objects of this program live unless it is said otherwise.
  package var namespace: String
  package var proxy: HTTPProxy

  package init(
    server: String, authorities: HTTPConfiguration.Authorities = .system, identity: HTTPConfiguration.Identity? = nil,
    token: Token = .none, namespace: String = "default", proxy: HTTPProxy = .none
  ) {
    self.server = server.hasSuffix("/") ? String(server.dropLast()) : server
    self.authorities = authorities
    self.identity = identity
    self.token = token
    self.namespace = namespace
    self.proxy = proxy
  }

  /// The settings of a client that asks this server.
  var configuration: HTTPConfiguration {
    var configuration = HTTPConfiguration()
    configuration.authorities = authorities
    configuration.identity = identity
    configuration.proxy = proxy
    configuration.connectionsPerHost = 16
    configuration.idleConnections = 4
    configuration.receiveBuffer = 16 << 10
    return configuration
  }
}
