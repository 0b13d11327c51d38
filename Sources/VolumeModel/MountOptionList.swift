/// What a person writes behind `-o` beside a source: keys of volumes, their short names, and options of the mount.
package struct MountOptionList: Sendable, Hashable {
  /// Keys of a volume and their values, the source's path among them.
  package private(set) var entries: [String: String]
  /// The value of `cache`, as written, of object stores; empty where it has none.
  package private(set) var cache: String?
  /// Everything else: for ``MountFlags``, which refuses what it does not know.
  package private(set) var others: [String] = []

  /// - Parameters:
  ///   - options: each several options joined by commas.
  ///   - text: the source as it was written.
  package init(_ options: [String], of source: UnderFileSystemURI, written text: String) {
    entries = [VolumeContextKey.path.name: text]
    for option in options.flatMap({ $0.split(separator: ",") }).map(String.init) {
      let halves = option.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      let value = halves.count == 2 ? halves[1] : nil
      let short = Self.key(halves[0], source.scheme)
      if halves[0] == "cache", source.scheme != .file {
        cache = value ?? ""
      } else if let key = short ?? VolumeContextKey.named(halves[0]), let value = value ?? short?.valueOfFlag {
        entries[key.name] = value
      } else {
        others.append(option)
      }
    }
  }

  /// The key of volumes that a short name stands for; nil for any other text.
  private static func key(_ name: String, _ scheme: UnderFileSystemURI.Scheme) -> VolumeContextKey? {
    switch (name, scheme) {
    case (_, .file): nil
    case ("endpoint", .oss): .ossEndpoint
    case ("endpoint", .s3): .s3Endpoint
    case ("region", .s3): .s3Region
    case ("path-style", .s3): .s3PathStyle
    case ("cache-size", _): .pageStoreSize
    case ("page-size", _): .pageSize
    case ("cache-passthrough", _): .cachePassthrough
    default: nil
    }
  }
}

extension VolumeContextKey {
  /// What the key's name alone stands for; nil where it needs a value.
  fileprivate var valueOfFlag: String? { self == .s3PathStyle || self == .cachePassthrough ? "true" : nil }
}
