/// How a client connects, for all its requests.
package struct HTTPConfiguration: Sendable {
  /// Who vouches for servers. Certificates are always verified.
  package enum Authorities: Sendable, Hashable {
    /// The file that the library was built with, `/etc/ssl/certs/ca-certificates.crt`.
    case system
    /// A file of PEM certificates, read with each connection.
    case file(String)
    /// PEM certificates, for a process that can open no files.
    case pem([UInt8])
  }

  /// Who the client says it is, to servers that ask: a certificate and its key.
  package struct Identity: Sendable {
    /// PEM: the certificate first, then those between it and the authority.
    package var certificates: [UInt8]
    /// PEM without a passphrase; a secret.
    package var key: [UInt8]

    package init(certificates: [UInt8], key: [UInt8]) {
      self.certificates = certificates
      self.key = key
    }
  }

  package var authorities: Authorities = .system
  /// Shown to every server that asks for one; nil: none.
  package var identity: Identity?
  package var proxy: HTTPProxy = .none
  /// At most so many connections at a time; further transfers wait for one.
  package var connectionsPerHost = 64
  package var connections = 128
  /// Kept open for the next transfer.
  package var idleConnections = 64
  /// A kept connection is not used again after so long without use.
  package var idleLifetime: Duration = .seconds(60)
  /// HTTP/2 over TLS, for requests that prefer it. Without TLS it is never used.
  package var allowsHTTP2 = true
  package var userAgent = "alluxio-csi"
  /// What is read from a socket at once, per transfer that is under way. 1 KiB to 512 KiB.
  package var receiveBuffer = 128 << 10
  /// The most that the head of an answer may have, in bytes.
  package var headLimit = 64 << 10
  /// Addresses instead of name resolution, as `name:port:address`.
  package var addresses: [String] = []
  /// The library to load; another one in tests only.
  package var library = HTTPConfiguration.defaultLibrary

  static let defaultLibrary = "libcurl.so.4"

  package init() {}
}

/// Which proxy requests go through. Never the environment at the time of the request: a volume of one user must not be sent
/// through what another one set.
package enum HTTPProxy: Sendable, Hashable {
  /// Straight to the server.
  case none
  /// This one, for hosts that `except` does not list. `http://proxy:3128`; the user and password in it are secrets.
  case url(String, except: String)
  /// By scheme, as the variables of the environment say.
  case environment(HTTPProxyVariables)
}

/// The variables that name proxies, as they were at one moment.
package struct HTTPProxyVariables: Sendable, Hashable {
  /// For `http://`.
  package var http: String?
  /// For `https://`.
  package var https: String?
  /// For both, where none of its own is set.
  package var all: String?
  /// Hosts and domains that are reached without, separated by commas; `*` is all of them.
  package var except: String

  package init(http: String? = nil, https: String? = nil, all: String? = nil, except: String = "") {
    self.http = http
    self.https = https
    self.all = all
    self.except = except
  }

  /// Of the values that `variable` gives for names. `HTTP_PROXY` in capitals is not asked: in CGI programs the client of
  /// the server sets it.
  package init(_ variable: (String) -> String?) {
    func first(_ names: String...) -> String? {
      names.lazy.compactMap(variable).first { !$0.isEmpty }
    }
    self.init(
      http: first("http_proxy"), https: first("https_proxy", "HTTPS_PROXY"), all: first("all_proxy", "ALL_PROXY"),
      except: first("no_proxy", "NO_PROXY") ?? "")
  }
}

extension HTTPProxy {
  /// The proxy for a URL, "" for none, and the hosts that do without.
  func settings(for url: String) -> (proxy: String, except: String) {
    switch self {
    case .none: return ("", "*")
    case .url(let url, let except): return (url, except)
    case .environment(let variables):
      let own = Endpoint.isEncrypted(url) ? variables.https : variables.http
      return (own ?? variables.all ?? "", variables.except)
    }
  }
}
