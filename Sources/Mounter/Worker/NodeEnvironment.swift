internal import LinuxSystem
internal import SystemPackage

/// The variables of the mounter that workers for object stores get, in a memfd and not as their environment: where proxies and
/// certificates are, and the node's own credentials where the volume may use them.
package enum NodeEnvironment {
  /// Bytes of all of them together.
  private static let limit = 128 << 10

  /// Those of `environment` that mean something to an object store's client.
  package static func relevant(_ environment: [String: String]) -> [String: String] {
    environment.filter { name, _ in
      isCredential(name) || name.hasSuffix("_PROXY") || name.hasSuffix("_proxy")
        || ["SSL_CERT_FILE", "SSL_CERT_DIR"].contains(name)
    }
  }

  /// Those that this process has, for a mounter that it starts.
  static var inherited: [String] {
    relevant(ProcessEnvironment.all).sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
  }

  /// Credentials, or where they are. HOME: the folder with `.aws/credentials` in it.
  private static func isCredential(_ name: String) -> Bool {
    name.hasPrefix("AWS_") || name.hasPrefix("OSS_") || name == "HOME"
  }

  /// A sealed memfd for a worker's configuration.
  /// - Parameter credentials: whether the volume may use the node's own.
  static func make(_ environment: [String: String], credentials: Bool) throws(Errno) -> Descriptor {
    let wanted = relevant(environment).filter { credentials || !isCredential($0.key) }
    let text = wanted.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)\0" }.joined()
    return try Memfd.sealed(name: "alluxio-environment", bytes: Array(text.utf8.prefix(limit)))
  }

  static func read(_ memory: borrowing Descriptor) throws(Errno) -> [String: String] {
    var values: [String: String] = [:]
    for entry in try Memfd.contents(of: memory, limit: limit).split(separator: 0) {
      let text = String(decoding: entry, as: UTF8.self)
      guard let equals = text.firstIndex(of: "=") else { continue }
      values[String(text[..<equals])] = String(text[text.index(after: equals)...])
    }
    return values
  }
}
