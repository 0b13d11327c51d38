import ObjectStore

/// A name in a bucket as a file's key: the volume's prefix and all names down to it, without a slash at the end. The root's
/// is the prefix with its slash, or nothing.
struct NodePath: Sendable, Hashable {
  let bytes: [UInt8]
  /// Bytes up to the last name; all of them for the root.
  let parentCount: Int
  let isRoot: Bool

  /// - Parameter prefix: with a slash at its end, or empty.
  init(rootPrefix prefix: [UInt8]) {
    bytes = prefix
    parentCount = prefix.count
    isRoot = true
  }

  /// - Parameter key: of a file beneath the root.
  init(fileKey key: [UInt8]) {
    self.init(key, parentCount: (key.lastIndex(of: 0x2F) ?? -1) + 1)
  }

  private init(_ bytes: [UInt8], parentCount: Int) {
    self.bytes = bytes
    self.parentCount = parentCount
    isRoot = false
  }

  /// - Parameter name: checked.
  func child(_ name: some Collection<UInt8>) -> NodePath {
    let prefix = directoryPrefix
    return NodePath(prefix + name, parentCount: prefix.count)
  }

  /// Key of the file of this path.
  var fileKey: ObjectKey { ObjectKey(bytes: bytes) }
  /// What keys beneath the directory of this path begin with; its marker's key as well.
  var directoryPrefix: [UInt8] { isRoot ? bytes : bytes + [0x2F] }
  /// Key of the directory's marker.
  var markerKey: ObjectKey { ObjectKey(bytes: directoryPrefix) }
  /// The last name; empty for the root.
  var name: ArraySlice<UInt8> { bytes[parentCount...] }
  /// `directoryPrefix` of the directory that it is in.
  var parentPrefix: ArraySlice<UInt8> { bytes[..<parentCount] }

  /// The path after a rename of `source` to `target`; nil where that is none of its business.
  func moved(from source: NodePath, to target: NodePath) -> NodePath? {
    if self == source { return target }
    guard isWithin(source) else { return nil }
    let prefix = target.directoryPrefix
    let shift = prefix.count - source.directoryPrefix.count
    return NodePath(prefix + bytes[(prefix.count - shift)...], parentCount: parentCount + shift)
  }

  /// Whether it is `ancestor` or lies beneath it.
  func isWithin(_ ancestor: NodePath) -> Bool {
    self == ancestor || bytes.starts(with: ancestor.directoryPrefix)
  }
}
