internal import HTTP
package import LinuxSystem
package import VolumeModel

/// A role of AWS taken with a token of somebody else, as Kubernetes' service accounts have: STS AssumeRoleWithWebIdentity.
package struct WebIdentityCredentials: CredentialSource {
  /// Where the token is.
  package enum Token: Sendable {
    /// Read for each request: the kubelet replaces it.
    case file(String)
    /// Given by the kubelet with the volume, and another one every now and then: asked for with each request.
    case given(@Sendable () -> ObjectStoreSecret?)
  }

  private let transport: any HTTPTransport
  private let token: Token
  private let role: String
  private let endpoint: ObjectStoreAddress
  package let name = "the web identity token"

  /// - Parameters:
  ///   - role: its ARN.
  ///   - region: whose STS is asked; nil: the global one.
  ///   - endpoint: of STS, instead of Amazon's.
  package init(
    transport: any HTTPTransport, token: Token, role: String, region: String?, endpoint: ObjectStoreAddress? = nil
  ) {
    self.transport = transport
    self.token = token
    self.role = role
    let suffix = region?.hasPrefix("cn-") == true ? ".cn" : ""
    self.endpoint =
      endpoint ?? ObjectStoreAddress(host: region.map { "sts.\($0).amazonaws.com\(suffix)" } ?? "sts.amazonaws.com")
  }

  /// The settings that EKS gives to pods; nil where they are not set. Never for inline volumes.
  package init?(
    transport: any HTTPTransport, region: String?,
    variable: (String) -> String? = { ProcessEnvironment.value(of: $0) }
  ) {
    guard let file = variable("AWS_WEB_IDENTITY_TOKEN_FILE"), let role = variable("AWS_ROLE_ARN") else { return nil }
    let endpoint = (variable("AWS_ENDPOINT_URL_STS")).flatMap { try? ObjectStoreAddress(parsing: $0) }
    self.init(transport: transport, token: .file(file), role: role, region: region, endpoint: endpoint)
  }

  package func fetch(by deadline: Deadline) throws(CredentialError) -> ObjectStoreCredentials? {
    let text: String
    switch token {
    case .given(let latest):
      guard let secret = latest() else { throw CredentialError("there is no web identity token yet") }
      text = secret.value
    case .file(let path):
      guard let bytes = try? WholeFile.read(path, limit: 64 << 10) else {
        throw CredentialError("the web identity token \(path) cannot be read")
      }
      text = String(decoding: bytes.filter { $0 > 0x20 }, as: UTF8.self)
    }
    guard ObjectStoreCredentials.isToken(Array(text.utf8)) else { throw CredentialError("\(name) is none") }
    let parameters = [
      ("Action", "AssumeRoleWithWebIdentity"), ("Version", "2011-06-15"), ("RoleArn", role),
      ("RoleSessionName", "alluxio-csi"), ("WebIdentityToken", text),
    ]
    let body = parameters.map { "\($0)=\(PercentEncoding.encode($1.utf8))" }.joined(separator: "&")
    let request = HTTPRequest(
      method: "POST", url: "\(endpoint)/", fields: [HTTPField("Content-Type", "application/x-www-form-urlencoded")],
      body: .bytes(Array(body.utf8)), mayBeResent: true)
    let answer = try SmallReply.get(request, of: "STS", by: transport, deadline: deadline)
    guard let reply = try? XMLReader<ReplyDocument>.read(answer.body, as: ReplyDocument()) else {
      throw CredentialError("STS answered \(answer.head.status) and no XML")
    }
    if answer.head.status != 200 {
      throw CredentialError("STS does not give the role's credentials", code: ErrorReply(reply)?.code)
    }
    let path = "AssumeRoleWithWebIdentityResult/Credentials/"
    guard let id = reply[path + "AccessKeyId"], let secret = reply[path + "SecretAccessKey"],
      let token = reply[path + "SessionToken"], let end = reply[path + "Expiration"].flatMap(UTCTime.init(iso8601:))
    else { throw CredentialError("STS answered without credentials") }
    return try ObjectStoreCredentials(checking: id, secret, token: token, expiration: end.seconds, from: "STS")
  }
}

/// One secret text that is shown nowhere.
package struct ObjectStoreSecret: Sendable, Hashable, CustomStringConvertible, CustomReflectable {
  /// Never logged.
  package let value: String
  package init(_ value: String) { self.value = value }
  package var description: String { "a secret" }
  package var customMirror: Mirror { Mirror(self, children: []) }
}

/// The credentials of the machine's or the container's role, which AWS gives at addresses of the node's own. Never for inline
/// volumes, whose owners are not the node's.
package struct MetadataCredentials: CredentialSource {
  private enum Place: Sendable {
    /// Answers at once.
    case container(url: String, token: ObjectStoreSecret?, tokenFile: String?)
    /// IMDSv2: a session token first, then the role's name, then its credentials.
    case instance(ObjectStoreAddress)
  }

  private let transport: any HTTPTransport
  private let place: Place
  package let name: String

  /// - Parameter transport: one without a proxy, which would answer with its own machine's role.
  package init?(
    transport: any HTTPTransport, variable: (String) -> String? = { ProcessEnvironment.value(of: $0) }
  ) {
    self.transport = transport
    let token = variable("AWS_CONTAINER_AUTHORIZATION_TOKEN").map(ObjectStoreSecret.init)
    let file = variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
    if let path = variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"), path.hasPrefix("/") {
      place = .container(url: "http://169.254.170.2\(path)", token: token, tokenFile: file)
      name = "the container's role"
    } else if let url = variable("AWS_CONTAINER_CREDENTIALS_FULL_URI"), Self.isTrusted(url) {
      place = .container(url: url, token: token, tokenFile: file)
      name = "the container's role"
    } else {
      if variable("AWS_EC2_METADATA_DISABLED")?.lowercased() == "true" { return nil }
      place = .instance(Self.address(variable("AWS_EC2_METADATA_SERVICE_ENDPOINT")))
      name = "the instance's role"
    }
  }

  private static func address(_ given: String?) -> ObjectStoreAddress {
    given.flatMap { try? ObjectStoreAddress(parsing: $0) }
      ?? ObjectStoreAddress(isSecure: false, host: "169.254.169.254")
  }

  /// The hosts that AWS programs send the container's token to without TLS.
  private static func isTrusted(_ url: String) -> Bool {
    let hosts = ["127.0.0.1", "localhost", "[::1]", "169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"]
    return url.hasPrefix("https://")
      || hosts.contains { url.hasPrefix("http://\($0)/") || url.hasPrefix("http://\($0):") }
  }

  package func fetch(by deadline: Deadline) throws(CredentialError) -> ObjectStoreCredentials? {
    switch place {
    case .container(let url, let token, let file):
      let fromFile = file.flatMap { try? WholeFile.text($0, limit: 64 << 10) }
        .map { String(decoding: $0.utf8.filter { $0 > 0x20 }, as: UTF8.self) }
      let fields = (fromFile ?? token?.value).map { [HTTPField("Authorization", $0)] } ?? []
      return try credentials(HTTPRequest(url: url, fields: fields), deadline: deadline)
    case .instance(let address): return try instance(at: address, by: deadline)
    }
  }

  private func instance(
    at address: ObjectStoreAddress, by deadline: Deadline
  ) throws(CredentialError) -> ObjectStoreCredentials? {
    let lifetime = HTTPField("X-aws-ec2-metadata-token-ttl-seconds", "21600")
    let ask = HTTPRequest(method: "PUT", url: "\(address)/latest/api/token", fields: [lifetime])
    // Where nobody answers, this is no machine of Amazon's.
    guard let session = try? SmallReply.get(ask, of: name, by: transport, deadline: deadline, connect: .seconds(1)),
      session.head.status == 200
    else { return nil }
    let fields = [HTTPField("X-aws-ec2-metadata-token", String(decoding: session.body, as: UTF8.self))]
    let url = "\(address)/latest/meta-data/iam/security-credentials/"
    let roles = try SmallReply.get(HTTPRequest(url: url, fields: fields), of: name, by: transport, deadline: deadline)
    guard roles.head.status == 200, let role = roles.body.split(separator: 0x0A).first else { return nil }
    let path = PercentEncoding.encode(role.filter { $0 > 0x20 })
    return try credentials(HTTPRequest(url: url + path, fields: fields), deadline: deadline)
  }

  private func credentials(
    _ request: HTTPRequest, deadline: Deadline
  ) throws(CredentialError) -> ObjectStoreCredentials {
    let answer = try SmallReply.get(request, of: name, by: transport, deadline: deadline)
    guard answer.head.status == 200, let members = try? JSONText.strings(answer.body) else {
      throw CredentialError("\(name) was answered with \(answer.head.status) and no credentials")
    }
    if let code = members["Code"], code != "Success" {
      throw CredentialError("\(name) has no credentials", code: ObjectStoreError.clean(code, longest: 60))
    }
    guard let id = members["AccessKeyId"], let secret = members["SecretAccessKey"] else {
      throw CredentialError("\(name) was answered without credentials")
    }
    let end = members["Expiration"].flatMap(UTCTime.init(iso8601:))
    return try ObjectStoreCredentials(
      checking: id, secret, token: members["Token"], expiration: end?.seconds, from: name)
  }
}
