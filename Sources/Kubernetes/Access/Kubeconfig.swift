/// The parts of a kubeconfig file that this client understands. kubernetes.io/docs/reference/config-api/kubeconfig.v1.
struct Kubeconfig: Decodable {
  struct Named<Value: Decodable>: Decodable {
    var name: String
    var value: Value

    private struct Key: CodingKey {
      var stringValue: String
      var intValue: Int? { nil }
      init(stringValue: String) { self.stringValue = stringValue }
      init?(intValue: Int) { nil }
    }

    /// The value stands beside the name under a key that its list is called after.
    init(from decoder: any Decoder) throws {
      let container = try decoder.container(keyedBy: Key.self)
      name = try container.decode(String.self, forKey: Key(stringValue: "name"))
      guard let key = container.allKeys.first(where: { ["cluster", "user", "context"].contains($0.stringValue) }) else {
        throw DecodingError.keyNotFound(
          Key(stringValue: "cluster"), .init(codingPath: decoder.codingPath, debugDescription: ""))
      }
      value = try container.decode(Value.self, forKey: key)
    }
  }

  struct Cluster: Decodable {
    var server: String
    var authorityFile: String?
    var authorityData: String?
    var isInsecure: Bool?
    var serverName: String?
    var proxy: String?

    enum CodingKeys: String, CodingKey {
      case server
      case authorityFile = "certificate-authority"
      case authorityData = "certificate-authority-data"
      case isInsecure = "insecure-skip-tls-verify"
      case serverName = "tls-server-name"
      case proxy = "proxy-url"
    }
  }

  struct User: Decodable {
    var token: String?
    var tokenFile: String?
    var certificateFile: String?
    var certificateData: String?
    var keyFile: String?
    var keyData: String?
    /// Programs and providers that make tokens: only that they are named matters.
    var exec: Presence?
    var provider: Presence?
    var username: Presence?

    enum CodingKeys: String, CodingKey {
      case token, tokenFile, exec, username
      case certificateFile = "client-certificate"
      case certificateData = "client-certificate-data"
      case keyFile = "client-key"
      case keyData = "client-key-data"
      case provider = "auth-provider"
    }
  }

  struct Context: Decodable {
    var cluster: String
    var user: String
    var namespace: String?
  }

  /// Something whose contents do not matter.
  struct Presence: Decodable {
    init(from decoder: any Decoder) throws {}
  }

  var clusters: [Named<Cluster>]?
  var users: [Named<User>]?
  var contexts: [Named<Context>]?
  var currentContext: String?

  enum CodingKeys: String, CodingKey {
    case clusters, users, contexts
    case currentContext = "current-context"
  }
}
