package import LinuxSystem
package import VolumeModel

/// Why a source has no credentials. Holds no part of any, and no path but that of a file of the node's own settings.
package struct CredentialError: Error, Sendable, Hashable, CustomStringConvertible {
  /// A sentence for people.
  package let message: String
  /// The service's own name of the error, where one answered.
  package let code: String?

  package init(_ message: String, code: String? = nil) {
    self.message = message
    self.code = code
  }

  package var description: String { code.map { "\(message) (\($0))" } ?? message }
}

/// Where credentials come from.
package protocol CredentialSource: Sendable {
  /// For messages, as "the environment".
  var name: String { get }

  /// Asks once; may wait for files and the network, so it is called on a thread that may.
  /// - Returns: nil where the source has none: the next one is asked.
  /// - Throws: where it should have some and cannot give them.
  func fetch(by deadline: Deadline) throws(CredentialError) -> ObjectStoreCredentials?
}

/// The pair of a volume's secrets.
package struct GivenCredentials: CredentialSource {
  private let credentials: ObjectStoreCredentials
  package let name = "the volume's secrets"

  package init(_ credentials: ObjectStoreCredentials) { self.credentials = credentials }

  package func fetch(by deadline: Deadline) throws(CredentialError) -> ObjectStoreCredentials? { credentials }
}

/// None on purpose: requests are not signed. For public buckets.
package struct AnonymousCredentials: CredentialSource {
  package let name = "no credentials"

  package init() {}

  package func fetch(by deadline: Deadline) throws(CredentialError) -> ObjectStoreCredentials? { nil }
}

/// Several sources, asked in order; the first that has credentials, or should have them, decides.
package struct CredentialChain: CredentialSource {
  private let sources: [any CredentialSource]

  package init(_ sources: [any CredentialSource]) { self.sources = sources }

  package var name: String { sources.map(\.name).joined(separator: ", ") }

  package func fetch(by deadline: Deadline) throws(CredentialError) -> ObjectStoreCredentials? {
    for source in sources {
      if let credentials = try source.fetch(by: deadline) { return credentials }
    }
    return nil
  }
}

/// The pair that the node's administrator put into a program's environment. Never for inline volumes.
package struct EnvironmentCredentials: CredentialSource {
  private let scheme: UnderFileSystemURI.Scheme
  private let variable: @Sendable (String) -> String?
  package let name = "the environment"

  /// - Parameter variable: a variable's value; of this process unless a test gives others.
  package init(
    for scheme: UnderFileSystemURI.Scheme,
    variable: @escaping @Sendable (String) -> String? = { ProcessEnvironment.value(of: $0) }
  ) {
    self.scheme = scheme
    self.variable = variable
  }

  package func fetch(by deadline: Deadline) throws(CredentialError) -> ObjectStoreCredentials? {
    let names =
      scheme == .oss
      ? ("OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET", "OSS_SESSION_TOKEN")
      : ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    func value(_ name: String) -> String? { variable(name).flatMap { $0.isEmpty ? nil : $0 } }
    guard let id = value(names.0) else { return nil }
    guard let secret = value(names.1) else { throw CredentialError("\(names.0) is set and \(names.1) is not") }
    return try ObjectStoreCredentials(checking: id, secret, token: value(names.2), from: name)
  }
}

/// The files that AWS programs share: `~/.aws/credentials` and `~/.aws/config`. Never for inline volumes.
package struct SharedFileCredentials: CredentialSource {
  private let variable: @Sendable (String) -> String?
  package let name = "the shared credentials file"

  /// - Parameter variable: as in ``EnvironmentCredentials``; `HOME`, `AWS_PROFILE` and the names of the files are asked.
  package init(variable: @escaping @Sendable (String) -> String? = { ProcessEnvironment.value(of: $0) }) {
    self.variable = variable
  }

  package func fetch(by deadline: Deadline) throws(CredentialError) -> ObjectStoreCredentials? {
    let profile = variable("AWS_PROFILE") ?? "default"
    for (setting, standard) in [
      ("AWS_SHARED_CREDENTIALS_FILE", "credentials"), ("AWS_CONFIG_FILE", "config"),
    ] {
      guard let path = variable(setting) ?? variable("HOME").map({ "\($0)/.aws/\(standard)" }),
        let bytes = try? WholeFile.read(path, limit: ConfigurationFile.longest)
      else { continue }
      let file: ConfigurationFile
      do throws(ConfigurationFile.ParseError) {
        file = try ConfigurationFile(parsing: bytes)
      } catch {
        throw CredentialError("\(path): \(error)")
      }
      guard let id = file.value("aws_access_key_id", of: profile) else { continue }
      guard let secret = file.value("aws_secret_access_key", of: profile) else {
        throw CredentialError("\(path): the profile has aws_access_key_id and no aws_secret_access_key")
      }
      let token = file.value("aws_session_token", of: profile)
      return try ObjectStoreCredentials(checking: id, secret, token: token, from: path)
    }
    return nil
  }
}

extension ObjectStoreCredentials {
  /// What came from outside, checked: it goes into header fields.
  init(
    checking id: String, _ secret: String, token: String?, expiration: Int64? = nil, from source: String
  ) throws(CredentialError) {
    for text in [id, secret, token].compactMap({ $0 }) where !Self.isToken(Array(text.utf8)) {
      throw CredentialError("\(source) has a key or token with characters that none has")
    }
    self.init(accessKeyID: id, secretKey: secret, sessionToken: token, expiration: expiration)
  }
}
