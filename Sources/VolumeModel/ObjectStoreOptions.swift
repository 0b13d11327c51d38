/// What the keys of an s3:// or oss:// volume say: where its store answers, and how much of it a node keeps.
package struct ObjectStoreOptions: Sendable, Hashable {
  package var properties: ObjectStoreProperties
  /// Bytes on a node's disk that the volume's pages may take; 0: nothing is kept.
  package var pageStoreBytes: UInt64 = 10 << 30
  /// Bytes of one page: 64 KiB to 16 MiB, a power of two.
  package var pageSize: UInt32 = 1 << 20
  /// What is loaded into the page store at first, relative to the volume's root; empty: all of it; nil: nothing.
  package var warmUp: String?
  /// The kernel reads files that the page store has whole itself.
  package var cachePassthrough = false

  /// - Parameters:
  ///   - values: own keys by their documented names, those of mount options included.
  ///   - path: the volume's; nil comes of a `file:///` path.
  /// - Throws: at the first key that means nothing to such a path, or whose value is not of its form.
  package init?(_ values: [String: String], of path: UnderFileSystemURI) throws(VolumeContextError) {
    for (name, _) in values.sorted(by: { $0.key < $1.key }) {
      guard let key = VolumeContextKey.named(name), !key.availability.suits(path.scheme) else { continue }
      throw .misplaced(key: key.name, advice: "applies only to \(key.availability.schemes) volumes")
    }
    if path.scheme == .file { return nil }
    properties = try ObjectStoreProperties(values, of: path)
    if let text = values[VolumeContextKey.pageStoreSize.name] {
      pageStoreBytes = try VolumeContextKey.pageStoreSize.number(text)
    }
    if let text = values[VolumeContextKey.pageSize.name] {
      pageSize = UInt32(try VolumeContextKey.pageSize.number(text))
    }
    if let text = values[VolumeContextKey.warmUp.name] {
      let parts = PathComponents.split(text).filter { !$0.isEmpty && $0 != "." }
      guard !parts.contains("..") else {
        throw .malformed(key: VolumeContextKey.warmUp.name, expectation: "a path in the volume without '..', or /")
      }
      warmUp = parts.joined(separator: "/")
    }
    if let text = values[VolumeContextKey.cachePassthrough.name] {
      cachePassthrough = try VolumeContextKey.cachePassthrough.flag(text)
    }
  }
}

extension ObjectStoreRequest {
  /// - Parameter pageStore: the node's folder.
  package init(_ options: ObjectStoreOptions, usesNodeCredentials: Bool, pageStore: String) {
    self.init(
      properties: options.properties, usesNodeCredentials: usesNodeCredentials, pageStore: pageStore,
      pageStoreBytes: options.pageStoreBytes)
    pageSize = options.pageSize
    cachePassthrough = options.cachePassthrough
  }
}
