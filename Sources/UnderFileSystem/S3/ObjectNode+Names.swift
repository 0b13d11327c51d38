import LinuxSystem
import SystemPackage
import ObjectStore

/// Names in a directory of an object store.
extension ObjectNode {
  func prepare(
    _ object: NewObject, named name: FileName, token: UInt64, for creator: Creator
  ) throws(Errno) -> any PreparedNode {
    let directory = try directory()
    switch object {
    case .directory:
      let path = try ObjectKeys.new(name, in: directory, isDirectory: true)
      // Afterwards nobody could tell whose directory it is.
      guard try tree.entry(path).object == .absent else { throw .nameTaken }
      return PreparedDirectory(self, path)
    case .file:
      return try PreparedFile(self, try ObjectKeys.new(name, in: directory, isDirectory: false))
    case .symlink: throw fileSystem.refused.refuse("symlink")
    case .special: throw fileSystem.refused.refuse("mknod")
    }
  }

  /// Nothing is made under a hidden name.
  func sweep(token: UInt64) {}

  /// - Throws: ENOENT where this directory is known to be gone.
  func checkPresent() throws(Errno) {
    do throws(Errno) { _ = try current() } catch { throw error == .staleNode ? .directoryRemoved : error }
  }

  func link(_ node: any UnderNode, named name: FileName, caller: Caller) throws(Errno) {
    throw fileSystem.refused.refuse("link")
  }

  func remove(_ name: FileName, directory: Bool, caller: Caller) throws(Errno) {
    let path = try ObjectKeys.existing(name, in: try self.directory())
    switch (try tree.entry(path).existing(), directory) {
    case (.directory, true): try removeDirectory(path)
    case (.directory, false): throw .isDirectory
    case (_, true): throw .notADirectory
    case (_, false): try removeFile(path)
    }
  }

  private func removeFile(_ path: NodePath) throws(Errno) {
    let spool = tree.spools.find(path)
    // A file that was made here and never closed is nowhere else.
    if spool.map({ $0.snapshot.replaces || $0.snapshot.isAttempted }) ?? true {
      try change(path, "the removal") { () throws(BucketError) in try fileSystem.bucket.delete(path.fileKey) }
    }
    guard let spool else { return }
    try unlink(spool, at: path)
    tree.spools.remove(spool, at: path)
    tree.changed(path, to: .absent)
  }

  /// - Parameter path: that it had.
  func unlink(_ spool: Spool, at path: NodePath) throws(Errno) {
    try spool.unlink()
    fileSystem.nodes.unlinked(spool, at: path)
  }

  /// Runs a change that leaves no object at `path`. After a failure nobody knows what is there.
  func change(
    _ path: NodePath, _ call: String, _ body: () throws(BucketError) -> Void
  ) throws(Errno) {
    do throws(Errno) {
      try fileSystem.log.reporting(call, path, body)
    } catch {
      tree.forget(path)
      throw error
    }
    tree.changed(path, to: .absent)
  }

  // MARK: Directories

  private func removeDirectory(_ path: NodePath) throws(Errno) {
    let found = try contents(of: path)
    guard found.isEmpty else { throw .directoryNotEmpty }
    let stale = found.temporary
    try change(path, "the removal of a directory") { () throws(BucketError) in
      if !stale.isEmpty { _ = try fileSystem.bucket.delete(stale) }
      // A directory that is only there for its keys has lost the last one: it is gone as well.
      if found.hasMarker { try fileSystem.bucket.delete(path.markerKey) }
    }
  }

  /// What lies in a directory, as far as it matters for removing it.
  struct Contents {
    var hasMarker = false
    /// Hidden names of what was under way, and is not any more.
    var temporary: [ObjectKey] = []
    var isEmpty = true
  }

  /// Seconds after which nothing is under way any more.
  private static let staleAge: Int64 = 10

  /// Asks for the first few keys: a directory that holds more than hidden temporary names shows it there.
  /// - Parameter ours: temporary names that count as nothing whatever their age.
  func contents(of path: NodePath, ours: ObjectKey? = nil) throws(Errno) -> Contents {
    var request = ListRequest(prefix: path.markerKey)
    request.limit = 8
    let page = try tree.list(request, path)
    var contents = Contents()
    let now = WallClock.coarseNanoseconds / 1_000_000_000
    for (key, version) in page.objects {
      if key == path.markerKey {
        contents.hasMarker = true
      } else if HiddenName.isTemporary(key.bytes[path.directoryPrefix.count...]),
        key == ours || now - version.lastModified > Self.staleAge
      {
        contents.temporary.append(key)
      } else {
        contents.isEmpty = false
      }
    }
    if !page.prefixes.isEmpty || page.continuation != nil || !tree.spools.all(beneath: path).isEmpty {
      contents.isEmpty = false
    }
    return contents
  }
}

/// A directory's marker that is not in the store yet.
final class PreparedDirectory: PreparedNode {
  private let parent: ObjectNode
  private let path: NodePath

  init(_ parent: ObjectNode, _ path: NodePath) {
    self.parent = parent
    self.path = path
  }

  var identity: NodeIdentity? { nil }

  func fingerprint() throws(Errno) -> NodeIdentity { ObjectNode.fingerprint(.directory) }

  func place() throws(Errno) -> CreatedNode {
    // The directory that it is for may be gone, as far as this mount knows.
    try parent.checkPresent()
    let fileSystem = parent.fileSystem
    guard try fileSystem.tree.entry(path).object == .absent else { throw .nameTaken }
    do throws(BucketError) {
      _ = try fileSystem.bucket.put(path.markerKey, .bytes([]), ifAbsent: true)
    } catch {
      fileSystem.tree.forget(path)
      if error.kind == .precondition || error.kind == .conflict { throw .nameTaken }
      fileSystem.log.report(error, "the making of a directory", path)
      throw error.errno
    }
    fileSystem.tree.changed(path, to: .directory)
    return CreatedNode(
      identity: nil, versionStamp: ObjectNode.directoryStamp, attributes: fileSystem.attributes(ofDirectory: path),
      node: ObjectNode(fileSystem, path, .directory), file: nil)
  }
}
