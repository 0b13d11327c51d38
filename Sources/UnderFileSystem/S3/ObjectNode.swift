import LinuxSystem
import Synchronization
import SystemPackage

/// A file or directory of an object store, by its path. A file's node stands for one version of it, and for those that this
/// mount makes from it.
final class ObjectNode: UnderNode {
  /// What the path stood for when the node was found; it never changes.
  enum Kind: Sendable, Hashable {
    case directory
    case file(stamp: UInt64)
  }

  let fileSystem: ObjectFileSystem
  let kind: Kind
  private let place: Mutex<NodePath>
  /// What was written to the file, once it has lost its name.
  private let nameless = Mutex<Spool?>(nil)

  init(_ fileSystem: ObjectFileSystem, _ path: NodePath, _ kind: Kind) {
    self.fileSystem = fileSystem
    self.kind = kind
    place = Mutex(path)
    fileSystem.nodes.add(self)
  }

  deinit { fileSystem.nodes.remove(self) }

  /// Where it is now: renames by this mount take it along.
  var path: NodePath { place.withLock { $0 } }

  /// This mount has renamed `source`.
  func follow(_ source: NodePath, to target: NodePath) {
    place.withLock { path in if let moved = path.moved(from: source, to: target) { path = moved } }
  }

  var tree: ObjectTree { fileSystem.tree }
  /// Known by parent and name.
  var identity: NodeIdentity? { nil }

  /// A directory is what has its name, also after a rename, which gives it another inode number.
  var versionStamp: UInt64? {
    if case .file(let stamp) = kind { stamp } else { Self.directoryStamp }
  }

  static let directoryStamp: UInt64 = 1

  /// The spool of the file, while it is written, whether it has a name or not.
  var spool: Spool? {
    if let spool = tree.spools.find(path), spool.stamp == versionStamp { return spool }
    return nameless.withLock { $0.flatMap { $0.isClosed ? nil : $0 } }
  }

  /// Its spool has lost its name: those who have the file open go on with it.
  func keep(_ spool: Spool) { nameless.withLock { $0 = spool } }

  func lastWriterClosed() {
    if let spool { fileSystem.close(spool) }
  }

  // MARK: Fingerprints

  func fingerprint() throws(Errno) -> NodeIdentity { Self.fingerprint(try current()) }

  func fingerprint(of name: FileName) throws(Errno) -> NodeIdentity {
    let child = try ObjectKeys.existing(name, in: try directory())
    return Self.fingerprint(try tree.entry(child).existing())
  }

  /// The stamp: the next worker must come to the same, and to it ETag and time of a file that this mount writes may be others.
  static func fingerprint(_ object: ObjectEntry.Object) -> NodeIdentity {
    var words = InlineArray<16, UInt64>(repeating: 0)
    words[0] = if case .file(_, let stamp) = object { stamp } else { directoryStamp }
    return NodeIdentity(kind: identityKind, length: 8, words: words)
  }

  /// `OBJ` in ASCII: no handle type of a file system.
  static let identityKind: Int32 = 0x4F_424A

  // MARK: Looking

  /// What the path stands for now. - Throws: ESTALE when that is no longer what this node is.
  func current() throws(Errno) -> ObjectEntry.Object {
    if path.isRoot { return .directory }
    let object = try tree.entry(path).object
    switch (object, kind) {
    case (.directory, .directory): return object
    case (.file(_, let found), .file(let stamp)) where found == stamp: return object
    default: throw .staleNode
    }
  }

  /// The path, where this is a directory. - Throws: ENOTDIR.
  func directory() throws(Errno) -> NodePath {
    guard kind == .directory else { throw .notADirectory }
    return path
  }

  func attributes() throws(Errno) -> Attributes {
    if let spool, spool.isUnlinked { return fileSystem.attributes(ofFile: path, try spool.version(), linkCount: 0) }
    return switch try current() {
    case .file(let version, _): fileSystem.attributes(ofFile: path, version)
    default: fileSystem.attributes(ofDirectory: path)
    }
  }

  func lookup(_ name: FileName) throws(Errno) -> FoundNode {
    let child = try ObjectKeys.existing(name, in: try directory())
    switch try tree.entry(child).existing() {
    case .file(let version, let stamp):
      return FoundNode(
        node: ObjectNode(fileSystem, child, .file(stamp: stamp)),
        attributes: fileSystem.attributes(ofFile: child, version))
    default:
      return FoundNode(
        node: ObjectNode(fileSystem, child, .directory), attributes: fileSystem.attributes(ofDirectory: child))
    }
  }

  func list(from cookie: UInt64) throws(Errno) -> any DirectoryStream {
    ObjectDirectoryStream(fileSystem, try directory(), from: cookie)
  }

  func names(behind name: FileName, limit: Int) -> [FileName] {
    fileSystem.listed.names(behind: name, in: PathHash(path.directoryPrefix), limit: limit)
  }

  // MARK: Opening

  /// Not one that this mount writes.
  func rememberedFile(_ name: FileName) -> (any RangedFile)? {
    guard kind == .directory, let child = try? ObjectKeys.existing(name, in: path), tree.spools.find(child) == nil,
      let file = tree.remembered(child)?.file
    else { return nil }
    return ObjectFile(ObjectNode(fileSystem, child, .file(stamp: file.stamp)), file.version)
  }

  func open(_ access: FileAccess, caller: Caller) throws(Errno) -> any OpenFile {
    guard case .file(let version, _) = try current() else { throw .notRegular(FileType.directory) }
    if access == .read { return ObjectFile(self, version) }
    guard fileSystem.spoolFolder != nil else { throw fileSystem.refused.refuse("writing") }
    return ObjectWriter(self, version, spool: spool)
  }

  /// Objects have no owners: whoever may look may open.
  func openAsCaller(_ access: FileAccess, caller: Caller) throws(Errno) -> any OpenFile {
    try open(access, caller: caller)
  }

  // MARK: Attributes that can be asked for and not changed

  /// What is there already may be asked for; anything else is refused.
  func setAttributes(_ change: AttributeChange, caller: Caller) throws(Errno) -> Attributes {
    let attributes = try attributes()
    if let mode = change.mode, mode & 0o7777 != attributes.mode & 0o7777 {
      throw fileSystem.refused.refuse("chmod")
    }
    if change.uid.map({ $0 != attributes.uid }) == true || change.gid.map({ $0 != attributes.gid }) == true {
      throw fileSystem.refused.refuse("chown")
    }
    if let size = change.size {
      guard attributes.isRegular else { throw .notTruncatable(attributes.type) }
      // Where a worker has died over it, the size is right already, and the store has not heard of it.
      if size != attributes.size || spool != nil { try truncate(to: size, caller: caller) }
    }
    // What is being written gets the time at which it is closed.
    let isWritten = spool?.isDirty == true
    for (time, known) in [
      (change.accessTime, attributes.accessTime), (change.modificationTime, attributes.modificationTime),
    ] where time?.differs(from: known) == true && !(time == .now && isWritten) {
      throw fileSystem.refused.refuse("utimensat")
    }
    return change.size == nil ? attributes : try self.attributes()
  }

  /// truncate(2) without a handle: in the store when it returns. Of a file that nobody has open for writing, so that a spool
  /// is one that a worker has begun that died, or that of an open which comes at this moment.
  private func truncate(to size: Int64, caller: Caller) throws(Errno) {
    let isOpen = spool.map { !$0.isAdopted } ?? false
    let file = try open(.readWrite, caller: caller)
    do throws(Errno) {
      if try file.attributes().size != size { try file.truncate(to: size) }
    } catch {
      if !isOpen { lastWriterClosed() }
      throw error
    }
    try fileSystem.reach(.afterSpool)
    // Also where it fails: nobody else ends the spool that it has begun.
    defer { if !isOpen { lastWriterClosed() } }
    try file.flush()
  }

  func readLink() throws(Errno) -> [UInt8] { throw .noSymlink }

  /// Asked for by every `ls -l`, so that the log says nothing.
  func extendedAttribute(_ name: FileName) throws(Errno) -> [UInt8] { throw .notWithObjects }
  func extendedAttributeNames() throws(Errno) -> [UInt8] { throw .notWithObjects }

  func setExtendedAttribute(
    _ name: FileName, to value: [UInt8], flags: ExtendedAttributeFlags, caller: Caller
  ) throws(Errno) { throw fileSystem.refused.refuse("setxattr") }

  func removeExtendedAttribute(_ name: FileName, caller: Caller) throws(Errno) {
    throw fileSystem.refused.refuse("removexattr")
  }

  /// A change of a directory is in the store when it returns.
  func synchronize() throws(Errno) { _ = try current() }
}

extension ObjectEntry {
  /// - Throws: ENOENT.
  func existing() throws(Errno) -> Object {
    if object == .absent { throw .noSuchObject }
    return object
  }
}

extension TimeChange {
  fileprivate func differs(from time: Int64) -> Bool {
    switch self {
    case .now: true
    case .at(let wanted): wanted != time
    }
  }
}
