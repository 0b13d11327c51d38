/// A pair of access key and secret, with the token of a temporary one. It is shown nowhere: not by printing, not by
/// reflection, not in an error.
package struct ObjectStoreCredentials: Sendable, Hashable {
  /// Names the key; not a secret by itself, and treated as one.
  package let accessKeyID: String
  /// What signs.
  package let secretKey: String
  /// Goes with temporary keys.
  package let sessionToken: String?
  /// Seconds since the epoch at which they stop working; nil: they do not.
  package let expiration: Int64?

  package init(accessKeyID: String, secretKey: String, sessionToken: String? = nil, expiration: Int64? = nil) {
    self.accessKeyID = accessKeyID
    self.secretKey = secretKey
    self.sessionToken = sessionToken
    self.expiration = expiration
  }

  /// `text` without any of these values in it, for messages of a server that repeats what it was sent.
  package func redacting(_ text: String) -> String {
    var bytes = Array(text.utf8)
    for secret in [accessKeyID, secretKey, sessionToken ?? ""] where secret.utf8.count >= 4 {
      let wanted = Array(secret.utf8)
      var at = 0
      while at + wanted.count <= bytes.count {
        if bytes[at..<(at + wanted.count)].elementsEqual(wanted) {
          bytes.replaceSubrange(at..<(at + wanted.count), with: Array("***".utf8))
        }
        at += 1
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}

extension ObjectStoreCredentials: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  package var description: String { sessionToken == nil ? "an access key" : "a temporary access key" }
  package var debugDescription: String { description }
  package var customMirror: Mirror { Mirror(self, children: []) }
}

extension ObjectStoreCredentials {
  /// Reads the pair for a scheme out of a volume's secrets, under their names and aliases.
  /// - Returns: nil where the secrets have none of its keys; a pair for the other scheme may stand beside.
  /// - Throws: where half a pair is given, two names for one value, a value that cannot be one, or a key that looks like
  ///   a misspelled one.
  package init?(secrets: [String: String], for scheme: UnderFileSystemURI.Scheme) throws(VolumeContextError) {
    typealias Key = VolumeContextKey
    for name in secrets.keys.sorted() where !Key.isSecret(name) {
      let known = Key.secrets.flatMap(\.names)
      if let near = NearestKey.nearest(to: name, in: known) { throw .unknown(key: name, nearest: near) }
    }
    let keys: (id: Key.SecretKey, secret: Key.SecretKey, token: Key.SecretKey)
    switch scheme {
    case .file: return nil
    case .s3: keys = (Key.s3AccessKeyID, Key.s3SecretKey, Key.s3SessionToken)
    case .oss: keys = (Key.ossAccessKeyID, Key.ossAccessKeySecret, Key.ossSecurityToken)
    }
    let id = try Self.value(keys.id, in: secrets)
    let secret = try Self.value(keys.secret, in: secrets)
    let token = try Self.value(keys.token, in: secrets)
    guard id != nil || secret != nil || token != nil else { return nil }
    guard let id else { throw .missing(key: keys.id.name) }
    guard let secret else { throw .missing(key: keys.secret.name) }
    self.init(accessKeyID: id, secretKey: secret, sessionToken: token)
  }

  private static func value(
    _ key: VolumeContextKey.SecretKey, in secrets: [String: String]
  ) throws(VolumeContextError) -> String? {
    let given = key.names.filter { secrets[$0] != nil }
    if given.count > 1 { throw .doubled(key: given[1], other: given[0]) }
    guard let name = given.first, let text = secrets[name] else { return nil }
    // A file that was made with an editor ends in a newline; inside, no key has spaces.
    let bytes = Array(text.utf8.reversed().drop { $0 == 0x0A || $0 == 0x0D }.reversed())
    guard isToken(bytes) else {
      throw .malformed(key: name, expectation: "one word without spaces and control characters")
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Whether bytes may be a key or token: printable ASCII without spaces, so that they can stand in a header field.
  package static func isToken(_ bytes: some Collection<UInt8>) -> Bool {
    !bytes.isEmpty && bytes.count <= 16_384 && bytes.allSatisfy { (0x21...0x7E).contains($0) }
  }
}
