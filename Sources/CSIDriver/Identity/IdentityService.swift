/// The Identity service of CSI: who this plugin is, what it offers, and whether it can serve.
package struct IdentityService: Sendable {
  /// CSI `GetPluginInfoResponse.name`; see ``isValidName(_:)``.
  package let name: String
  package let version: String
  package let manifest: [String: String]
  /// Whether the Controller service is served beside it.
  package let hasController: Bool
  /// The plugin's own needs: its registry and state folder. Never the mounter: a liveness probe that kills the plugin while
  /// the mounter is away would kill the second copy of its descriptors when it is needed.
  private let isReady: @Sendable () async -> Bool

  package init(
    name: String, version: String, manifest: [String: String] = [:], hasController: Bool,
    isReady: @escaping @Sendable () async -> Bool
  ) {
    self.name = name
    self.version = version
    self.manifest = manifest
    self.hasController = hasController
    self.isReady = isReady
  }

  /// Probe.
  package func probe() async -> Bool { await isReady() }

  /// The specification's rule for plugin names: at most 63 bytes of letters, digits, '-' and '.', beginning and ending with
  /// a letter or digit.
  package static func isValidName(_ name: String) -> Bool {
    func isAlphanumeric(_ byte: UInt8) -> Bool {
      (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
        || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }
    let bytes = Array(name.utf8)
    guard let first = bytes.first, let last = bytes.last, bytes.count <= 63 else { return false }
    return isAlphanumeric(first) && isAlphanumeric(last)
      && bytes.allSatisfy { isAlphanumeric($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".") }
  }
}
