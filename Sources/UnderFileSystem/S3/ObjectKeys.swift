import SystemPackage
import ObjectStore

/// Which keys are names in a volume, and which names can be keys.
struct ObjectKeys: Sendable {
  let root: NodePath
  private let seed: UInt64

  /// - Parameters:
  ///   - bucket: names it among all others.
  ///   - prefix: of the volume's keys, with or without the slash at its end.
  init(bucket: String, prefix: [UInt8]) {
    var prefix = prefix
    if let last = prefix.last, last != 0x2F { prefix.append(0x2F) }
    root = NodePath(rootPrefix: prefix)
    var hash = StableHash(seed: 0)
    hash.combine(bucket.utf8)
    seed = hash.value
  }

  // MARK: From keys to names

  /// The name that a listed key or prefix has in its directory; nil: it has none and is hidden.
  /// - Parameter rest: what follows the directory's prefix, without a slash at its end.
  static func name(_ rest: ArraySlice<UInt8>) -> FileName? {
    guard !rest.isEmpty, rest.count <= 255, !rest.contains(0), !rest.contains(0x2F), isText(rest) else { return nil }
    let name = FileName(bytes: rest)
    guard name != ".", name != "..", !HiddenName.isHidden(name.nulTerminated.span) else { return nil }
    return name
  }

  /// Whether bytes are UTF-8, as all keys are.
  static func isText(_ bytes: some Collection<UInt8>) -> Bool {
    if bytes.allSatisfy({ $0 < 0x80 }) { return true }
    return String(validating: bytes, as: UTF8.self) != nil
  }

  // MARK: From names to keys

  /// The path of a name that is looked for.
  /// - Throws: what `FileName.check` says; ENOENT for what no key can hold.
  static func existing(_ name: FileName, in directory: NodePath) throws(Errno) -> NodePath {
    try name.check()
    guard isText(name.bytes) else { throw .noSuchObject }
    let path = directory.child(name.bytes)
    guard path.bytes.count <= ObjectKey.longest else { throw .longName }
    return path
  }

  /// The path of a name that is about to appear.
  /// - Throws: EPERM for hidden names, EILSEQ, ENAMETOOLONG.
  static func new(_ name: FileName, in directory: NodePath, isDirectory: Bool) throws(Errno) -> NodePath {
    try name.checkNew()
    guard isText(name.bytes) else { throw .nameIsNoText }
    let path = directory.child(name.bytes)
    guard path.bytes.count + (isDirectory ? 1 : 0) <= ObjectKey.longest else { throw .longName }
    return path
  }

  // MARK: Numbers

  /// The same for every worker, node and mount. A directory has another one than a file of its name.
  func inode(_ path: NodePath, isDirectory: Bool) -> UInt64 {
    inode(path.bytes, isDirectory: isDirectory && !path.isRoot)
  }

  /// - Parameter key: of a file, or a directory's without the slash at its end.
  func inode(_ key: some Sequence<UInt8>, isDirectory: Bool) -> UInt64 {
    var hash = StableHash(seed: seed)
    hash.combine(key)
    if isDirectory { hash.combine(CollectionOfOne(0x2F)) }
    // 0 is no inode number, and 1 the kernel's own of the root.
    return max(hash.value, 2)
  }

  /// Of the directory above.
  func parentInode(_ path: NodePath) -> UInt64 {
    if path.isRoot || path.parentCount == root.bytes.count { return inode(root, isDirectory: true) }
    return inode(path.bytes[..<(path.parentCount - 1)], isDirectory: true)
  }
}
