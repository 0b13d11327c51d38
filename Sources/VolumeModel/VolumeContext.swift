/// Every key that a StorageClass parameter, a volume attribute, an inline volume or a mount option may carry.
///
/// The only list of them: the parser, the refusals, the README's table and the request log's secrets read it.
package struct VolumeContextKey: Sendable, Hashable {
  /// The name as documented.
  package let name: String
  /// Other names that Alluxio's pages use for the same value.
  package let aliases: [String]
  package let form: ValueForm
  /// The default as documented; nil: none.
  package let defaultValue: String?
  /// One sentence for the reference table.
  package let meaning: String
  package let places: Places
  /// Whether the value is a path on the node: never taken from an inline volume.
  package let namesNodePath: Bool
  package let availability: Availability

  /// Where a key may stand.
  package struct Places: OptionSet, Sendable, Hashable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// StorageClass parameters (CreateVolume, GetCapacity).
    package static let parameters = Places(rawValue: 1)
    /// Volume attributes of a PersistentVolume: an administrator's, or what CreateVolume answered.
    package static let attributes = Places(rawValue: 2)
    /// Volume attributes of an inline volume: anyone's who can make a pod.
    package static let inline = Places(rawValue: 4)
    /// `mountOptions` of a PersistentVolume or StorageClass.
    package static let mountOptions = Places(rawValue: 8)

    static let administrators: Places = [.parameters, .attributes]
    static let volumes: Places = [.parameters, .attributes, .inline]
    static let everywhere: Places = [.parameters, .attributes, .inline, .mountOptions]
  }

  package enum Availability: Sendable, Hashable {
    case available
    /// Known, but this version cannot honour it: refused with this sentence, since ignoring it would surprise.
    case refused(String)
    /// Means something to volumes of these schemes only; refused beside another path, and in builds that serve none of
    /// them.
    case only(Set<UnderFileSystemURI.Scheme>)

    /// Whether volumes of a build that serves `schemes` take the key.
    package func isOffered(serving schemes: Set<UnderFileSystemURI.Scheme>) -> Bool {
      switch self {
      case .available: true
      case .refused: false
      case .only(let own): !own.isDisjoint(with: schemes)
      }
    }

    /// Whether a volume of this scheme may have the key, as far as its scheme decides.
    func suits(_ scheme: UnderFileSystemURI.Scheme) -> Bool {
      if case .only(let own) = self { own.contains(scheme) } else { true }
    }

    /// Those that the key is for, in words.
    var schemes: String {
      guard case .only(let own) = self else { return "all" }
      return UnderFileSystemURI.Scheme.allCases.filter(own.contains).map { "\($0.rawValue)://" }
        .joined(separator: " and ")
    }

    /// - Parameter name: the key as it was written, for the error.
    /// - Throws: where a build that serves `schemes` does not take the key.
    func check(_ name: String, serving schemes: Set<UnderFileSystemURI.Scheme>) throws(VolumeContextError) {
      if isOffered(serving: schemes) { return }
      switch self {
      case .available: return
      case .refused(let reason): throw .notSupported(key: name, reason: reason)
      case .only:
        throw .notSupported(
          key: name, reason: "is not supported by this version: it is for \(schemes), not available in this build")
      }
    }
  }

  init(
    _ name: String, _ form: ValueForm, default defaultValue: String? = nil, _ places: Places, aliases: [String] = [],
    namesNodePath: Bool = false, availability: Availability = .available, _ meaning: String
  ) {
    self.name = name
    self.form = form
    self.defaultValue = defaultValue
    self.places = places
    self.aliases = aliases
    self.namesNodePath = namesNodePath
    self.availability = availability
    self.meaning = meaning
  }
}

extension VolumeContextKey {
  private static let noCluster = Availability.refused(
    "is not supported by this version: give the under file system itself as path")

  package static let path = VolumeContextKey(
    "path", .underFileSystem, .volumes,
    "Under file system: file:///directory, s3://bucket/prefix or oss://bucket/prefix.")
  package static let provisioning = VolumeContextKey(
    "provisioning", .oneOf(["shared", "directory"]), default: "shared", .parameters,
    "shared: volumes show the path as it is. directory: each volume gets a directory of its own beneath it.")
  package static let directoryPattern = VolumeContextKey(
    "directoryPattern", .directoryPattern, default: DirectoryPattern.standard, .parameters,
    "Name of a volume's directory; ${volume.id} is appended where the pattern does not name it.")
  package static let onDelete = VolumeContextKey(
    "onDelete", .oneOf(["retain", "delete", "archive"]), default: "retain", .parameters,
    "What becomes of a volume's directory when the volume is deleted.")
  package static let capacity = VolumeContextKey(
    "capacity", .quantity(1...UInt64(Int64.max)), .attributes,
    "Size that statfs shows at most; set by CreateVolume in mode directory.")
  package static let attrTimeout = VolumeContextKey(
    "attrTimeout", .duration(maximumSeconds: 86_400), default: "1", .everywhere, aliases: ["attr_timeout"],
    "Seconds for which the kernel may answer stat itself.")
  package static let entryTimeout = VolumeContextKey(
    "entryTimeout", .duration(maximumSeconds: 86_400), default: "1", .everywhere, aliases: ["entry_timeout"],
    "Seconds for which the kernel may answer a lookup itself.")
  package static let readAhead = VolumeContextKey(
    "readAhead", .quantity(0...(1 << 30)), default: "2Mi", .everywhere, "Kernel read-ahead of the mount.")
  package static let uid = VolumeContextKey(
    "uid", .number(0...UInt64(UInt32.max - 1)), .volumes,
    "Owner shown for every file instead of the under file system's.")
  package static let gid = VolumeContextKey(
    "gid", .number(0...UInt64(UInt32.max - 1)), .volumes,
    "Group shown for every file instead of the under file system's.")
  package static let umask = VolumeContextKey(
    "umask", .octal(0...0o777), .volumes, "Permission bits taken off the mode shown for every file, octal.")
  package static let passthrough = VolumeContextKey(
    "passthrough", .oneOf(["true", "false"]), default: "true", .everywhere,
    "Lets the kernel (6.9 and later) read and write larger files of file:// itself.")
  package static let memoryLimit = VolumeContextKey(
    "memoryLimit", .quantity((16 << 20)...(1 << 44)), .administrators, "Memory limit of the volume's FUSE process.")
  package static let pageStoreSize = VolumeContextKey(
    "pageStoreSize", .quantity(0...(1 << 50)), default: "10Gi", .administrators, availability: .only([.s3, .oss]),
    "What a node's page store keeps of the volume at most, within the node's budget (`--page-store-size`). 0: nothing.")
  package static let pageSize = VolumeContextKey(
    "pageSize", .powerOfTwo((64 << 10)...(16 << 20)), default: "1Mi", .administrators,
    availability: .only([.s3, .oss]), "Size of one cached page.")
  package static let cachePassthrough = VolumeContextKey(
    "cachePassthrough", .oneOf(["true", "false"]), default: "false", .administrators,
    availability: .only([.s3, .oss]),
    "Lets the kernel (6.9 and later) read files of 128 KiB and more that the page store has whole itself, from copies whose "
      + "bytes nobody checks any more; they take up to half of `pageStoreSize`.")
  package static let warmUp = VolumeContextKey(
    "warmUp", .text, .administrators, availability: .only([.s3, .oss]),
    "File or directory of the volume that a node loads into its page store when the volume is mounted there; / for all."
  )
  /// Set by the kubelet for volumes written into a pod.
  package static let ephemeral = "csi.storage.k8s.io/ephemeral"

  /// All keys, in the order of the reference table.
  package static let all: [VolumeContextKey] =
    [
      path, provisioning, directoryPattern, onDelete, capacity, attrTimeout, entryTimeout, readAhead, passthrough,
      uid, gid, umask, memoryLimit,
      VolumeContextKey(
        "alluxioClusterName", .text, .administrators, availability: noCluster,
        "Alluxio cluster to take the mounts "
          + "of."),
      VolumeContextKey(
        "alluxioClusterNamespace", .text, .administrators, availability: noCluster, "Namespace of that cluster."),
      pageStoreSize, pageSize, cachePassthrough, warmUp,
    ]
    + objectStoreKeys

  /// Keys that the kubelet and the provisioner add; accepted everywhere.
  package static let orchestratorPrefixes = ["csi.storage.k8s.io/", "storage.kubernetes.io/"]

  package static func isOrchestrators(_ name: String) -> Bool {
    orchestratorPrefixes.contains { PathComponents.has(name, prefix: $0) }
  }

  /// The key with this name or alias.
  package static func named(_ name: String) -> VolumeContextKey? {
    all.first { $0.name == name || $0.aliases.contains(name) }
  }
}
