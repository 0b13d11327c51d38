import LinuxSystem
import VolumeModel

/// What `-o` and the source say, checked by the rules of a volume's attributes.
struct MountOptions {
  var source: UnderFileSystemURI
  var worker: WorkerOptions
  /// Of s3:// and oss://; nil for a directory.
  var objects: ObjectMountOptions?
  /// Of the mount itself.
  var flags: LinuxSystem.MountFlags = .volume

  /// - Parameter options: each several options joined by commas.
  init(source text: String, options: [String]) throws(MountProblem) {
    do { source = try UnderFileSystemURI(parsing: text) } catch { throw .badSource("\(error)") }
    var cache: String?
    var entries = [VolumeContextKey.path.name: text]
    var others: [String] = []
    for option in options.flatMap({ $0.split(separator: ",") }).map(String.init) {
      let halves = option.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      let value = halves.count == 2 ? halves[1] : nil
      let short = ObjectMountOptions.key(halves[0], source.scheme)
      if halves[0] == "cache", source.scheme != .file {
        guard let value, value.hasPrefix("/") else { throw .badOption("cache must be the absolute path of a folder") }
        cache = value
      } else if let key = short ?? VolumeContextKey.named(halves[0]), let value = value ?? short?.valueOfFlag {
        entries[key.name] = value
      } else {
        others.append(option)
      }
    }
    do throws(VolumeContextError) {
      let context = try VolumeContext(
        parsing: entries, from: .attributes, schemes: Set(UnderFileSystemURI.Scheme.allCases))
      worker = context.options
      objects = context.objectStore.map { ObjectMountOptions(store: $0, cache: cache) }
      let mount = try VolumeModel.MountFlags(others)
      try mount.apply(to: &worker)
      if mount.noExec { flags.insert(.noExecute) }
    } catch {
      throw .badOption("\(error)")
    }
  }
}

/// What a person's mount of a bucket needs.
struct ObjectMountOptions {
  var store: ObjectStoreOptions
  /// Folder on local disk where pages are kept from one mount to the next; nil: none are.
  var cache: String?

  /// The key of volumes that a short name stands for; nil for any other text.
  static func key(_ name: String, _ scheme: UnderFileSystemURI.Scheme) -> VolumeContextKey? {
    switch (name, scheme) {
    case (_, .file): nil
    case ("endpoint", .oss): .ossEndpoint
    case ("endpoint", .s3): .s3Endpoint
    case ("region", .s3): .s3Region
    case ("path-style", .s3): .s3PathStyle
    case ("cache-size", _): .pageStoreSize
    case ("page-size", _): .pageSize
    default: nil
    }
  }
}

extension VolumeContextKey {
  /// What the key's name alone stands for; nil where it needs a value.
  fileprivate var valueOfFlag: String? { self == .s3PathStyle ? "true" : nil }
}
