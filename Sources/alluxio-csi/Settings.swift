internal import CSIDriver
internal import GRPC
internal import Kubernetes
internal import LinuxSystem
internal import Log
internal import Logging
internal import VolumeModel

/// A flag that cannot be honoured; one sentence.
struct SettingsError: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

/// The flags, checked and with their defaults.
struct Settings {
  enum Mode: String, CaseIterable { case all, controller, node }

  /// Where volumes are remembered.
  enum RegistryPlace {
    case folder(String)
    /// In the cluster that this pod runs in, or that a kubeconfig file names.
    case kubernetes(ClusterAccess)
  }

  let mode: Mode
  let endpoint: Endpoint
  let nodeID: String
  let driverName: String
  let paths: NodePaths
  let registry: RegistryPlace
  /// Nil: start one.
  let mounterSocket: String?
  let fileRoots: [String]
  let inlineFileRoots: [String]
  let pageStore: String
  /// Nil: a share of its file system.
  let pageStoreBytes: UInt64?
  let sharePages: [UnderFileSystemURI]
  let maximumVolumes: Int
  /// Nil: no metrics are served.
  let metricsAddress: TCPAddress?
  /// The cluster whose pods and claims get events; nil: none do.
  let events: ClusterAccess?
  /// The cluster that hears how volumes are on this node; nil: none does.
  let nodeReports: ClusterAccess?
  /// The cluster that takes a taint off this node, and its key; nil: none does.
  let startupTaint: (cluster: ClusterAccess, key: String)?
  let logLevel: Logger.Level
  let logFormat: LogFormat

  var servesController: Bool { mode != .node }
  var servesNode: Bool { mode != .controller }

  init(_ options: Options) throws {
    mode = try Self.word(options.mode, flag: "--mode")
    endpoint = try Self.endpoint(options.endpoint)
    driverName = options.driverName
    guard IdentityService.isValidName(driverName) else {
      throw SettingsError(
        "--driver-name must be at most 63 letters, digits, '-' and '.', as alluxio or alluxio.example.com")
    }
    let kubelet = try Self.folder(options.kubeletDir, flag: "--kubelet-dir")
    let state = try Self.folder(options.stateDir ?? NodePaths.stateDirectory(beneath: kubelet), flag: "--state-dir")
    paths = NodePaths(stateDirectory: state, kubeletDirectory: kubelet)
    registry = try Self.registry(options.registry, paths)
    mounterSocket = try options.mounterSocket.map { try Self.folder($0, flag: "--mounter-socket") }
    fileRoots = try Self.roots(options.fileRoots, flag: "--file-roots")
    inlineFileRoots = try Self.roots(options.inlineFileRoots, flag: "--inline-file-roots")
    pageStore = try options.pageStore.map { try Self.folder($0, flag: "--page-store") } ?? paths.pageStore
    pageStoreBytes = try options.pageStoreSize.map { try Self.size($0, flag: "--page-store-size") }
    sharePages = try Self.places(options.sharePages, flag: "--share-pages")
    guard options.maxVolumes >= 0 else { throw SettingsError("--max-volumes must be 0, for no limit, or more") }
    maximumVolumes = options.maxVolumes
    metricsAddress = try options.metricsAddress.map(Self.address)
    events = try Self.optionalCluster(options.events, flag: "--events")
    nodeReports = try Self.optionalCluster(options.nodeReports, flag: "--node-reports")
    startupTaint = try Self.startupTaint(options)
    logFormat = try Self.word(options.logFormat, flag: "--log-format")
    logLevel = try Self.level(options.logLevel, verbosity: options.verbosity)
    nodeID = try Self.nodeID(options.nodeid, isNeeded: mode != .controller)
  }

  private static func endpoint(_ flag: String?) throws -> Endpoint {
    guard let text = flag ?? ProcessEnvironment.value(of: "CSI_ENDPOINT"), !text.isEmpty else {
      throw SettingsError("--endpoint is missing: write --endpoint unix:///path/to/csi.sock, or set CSI_ENDPOINT")
    }
    return try mapped { () throws(EndpointError) in try Endpoint(text) }
  }

  private static func nodeID(_ flag: String?, isNeeded: Bool) throws -> String {
    guard let id = flag, !id.isEmpty else {
      if isNeeded { throw SettingsError("--nodeid is missing: the node service needs the name of its node") }
      return ""
    }
    // CSI "NodeGetInfo": 256 bytes; Kubernetes takes 192 for topology and registration.
    guard id.utf8.count <= 192, id.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7F }) else {
      throw SettingsError("--nodeid must be 1 to 192 bytes without spaces")
    }
    return id
  }

  private static func registry(_ flag: String?, _ paths: NodePaths) throws -> RegistryPlace {
    guard let flag else { return .folder(paths.registry) }
    if let access = try cluster(flag, flag: "--registry") { return .kubernetes(access) }
    if PathComponents.has(flag, prefix: "file:") {
      return .folder(try folder(String(flag.dropFirst("file:".count)), flag: "--registry"))
    }
    throw SettingsError("--registry must be file:DIRECTORY, kubernetes or kubernetes:KUBECONFIG")
  }

  private static func startupTaint(_ options: Options) throws -> (cluster: ClusterAccess, key: String)? {
    guard StartupTaint.isValidKey(options.startupTaintKey) else {
      throw SettingsError("--startup-taint-key must be the key of a taint, such as \(StartupTaint.usualKey)")
    }
    return try optionalCluster(options.startupTaint, flag: "--startup-taint").map { ($0, options.startupTaintKey) }
  }

  private static func optionalCluster(_ text: String, flag: String) throws -> ClusterAccess? {
    if text == "none" { return nil }
    if let access = try cluster(text, flag: flag) { return access }
    throw SettingsError("\(flag) must be none, kubernetes or kubernetes:KUBECONFIG")
  }

  /// `kubernetes`: that of the pod; `kubernetes:KUBECONFIG`; nil for other words.
  private static func cluster(_ text: String, flag: String) throws -> ClusterAccess? {
    let prefix = "kubernetes:"
    if text == "kubernetes" {
      return try mapped { () throws(KubernetesError) in
        try ClusterAccess.pod(variable: { ProcessEnvironment.value(of: $0) })
      }
    }
    guard PathComponents.has(text, prefix: prefix) else { return nil }
    let file = try folder(String(text.dropFirst(prefix.count)), flag: flag)
    return try mapped { () throws(KubernetesError) in try ClusterAccess.kubeconfig(file) }
  }

  private static func size(_ text: String, flag: String) throws -> UInt64 {
    guard let bytes = ValueForm.quantity(text, in: 0...UInt64(Int64.max)) else {
      throw SettingsError("\(flag) needs a size in bytes, such as 500Mi or 100Gi, or 0")
    }
    return bytes
  }

  private static func address(_ text: String) throws -> TCPAddress {
    guard let address = TCPAddress(text) else {
      throw SettingsError("--metrics-address must be ADDRESS:PORT in numbers, as 127.0.0.1:9809, [::1]:9809 or :9809")
    }
    return address
  }

  private static func roots(_ flags: [String], flag: String) throws -> [String] {
    try flags.flatMap { $0.split(separator: ",").map(String.init) }.map { try folder($0, flag: flag) }
  }

  /// Buckets, or parts of them.
  private static func places(_ flags: [String], flag: String) throws -> [UnderFileSystemURI] {
    try flags.flatMap { $0.split(separator: ",").map(String.init) }.map { text in
      guard let place = try? UnderFileSystemURI(parsing: text), place.scheme != .file else {
        throw SettingsError("\(flag) needs buckets or prefixes, such as s3://bucket or oss://bucket/prefix")
      }
      return place
    }
  }

  /// An absolute path without a trailing slash.
  private static func folder(_ text: String, flag: String) throws -> String {
    do {
      return try UnderFileSystemURI(parsing: "file://" + text).path
    } catch {
      throw SettingsError("\(flag) needs an absolute path without '..'")
    }
  }

  private static func level(_ text: String?, verbosity: Int?) throws -> Logger.Level {
    if let text { return try word(text, flag: "--log-level") }
    switch verbosity ?? 0 {
    case ..<5: return .info
    case ..<8: return .debug
    default: return .trace
    }
  }

  private static func word<Word: RawRepresentable<String> & CaseIterable>(_ text: String, flag: String) throws -> Word {
    guard let word = Word(rawValue: text) else {
      throw SettingsError("\(flag) must be one of \(Word.allCases.map(\.rawValue).joined(separator: ", "))")
    }
    return word
  }

  private static func mapped<Value, Failure: Error & CustomStringConvertible>(
    _ body: () throws(Failure) -> Value
  ) throws -> Value {
    do throws(Failure) { return try body() } catch { throw SettingsError(error.description) }
  }
}
