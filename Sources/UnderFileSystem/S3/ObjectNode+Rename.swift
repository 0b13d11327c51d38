import LinuxSystem
import SystemPackage
import ObjectStore

/// Renaming: the store copies, and the source goes.
extension ObjectNode {
  func rename(
    _ name: FileName, to newParent: any UnderNode, named newName: FileName, flags: RenameFlags, caller: Caller
  ) throws(Errno) {
    guard let newParent = newParent as? ObjectNode, newParent.fileSystem === fileSystem else {
      throw .otherFileSystem
    }
    guard fileSystem.canRename(flags) else { throw .unknownRename }
    let source = try ObjectKeys.existing(name, in: try directory())
    let moved = try tree.entry(source).existing()
    let target = try ObjectKeys.new(newName, in: try newParent.directory(), isDirectory: moved == .directory)
    let replaced = try tree.entry(target).object
    if flags == .noReplace, replaced != .absent { throw .nameTaken }
    if source == target { return }
    if moved == .directory, target.isWithin(source) { throw .intoItself }
    switch (moved, replaced) {
    case (.file, .directory): throw source.isWithin(target) ? .directoryNotEmpty : .isDirectory
    case (.file, _) where tree.spools.find(source)?.movesAlone == true:
      try moveSpool(source, to: target, replaced)
    case (.file, _): try moveFile(source, to: target, ifAbsent: flags == .noReplace)
    case (_, .file): throw .notADirectory
    default:
      if source.isWithin(target) { throw .directoryNotEmpty }
      try DirectoryMove(fileSystem, source, target).run()
      fileSystem.nodes.moved(source, to: target)
    }
  }

  func hasBegunRename(_ name: FileName, to newParent: any UnderNode, named newName: FileName) -> Bool {
    guard let newParent = newParent as? ObjectNode, let here = try? directory(), let there = try? newParent.directory(),
      let source = try? ObjectKeys.existing(name, in: here), let target = try? ObjectKeys.existing(newName, in: there),
      let moved = try? tree.entry(source).object, let found = try? tree.entry(target).object
    else { return false }
    switch (moved, found) {
    case (.file(let version, _), .file(let copy, _)): return ObjectCopy.mayBe(copy, of: version)
    case (.directory, .directory): return (try? DirectoryMove(fileSystem, source, target).isBegun()) ?? false
    default: return false
    }
  }

  private func moveFile(
    _ source: NodePath, to target: NodePath, ifAbsent: Bool
  ) throws(Errno) {
    // What is being written is brought to the store first, and copied there.
    try tree.spools.find(source)?.complete()
    guard let (version, stamp) = try tree.entry(source).file else { throw .staleNode }
    let copied: ObjectVersion
    do throws(BucketError) {
      copied = try ObjectCopy(fileSystem, version).run(source.fileKey, to: target.fileKey, ifAbsent: ifAbsent)
    } catch {
      tree.forget(target)
      tree.forget(source)
      throw try failure(error, source, target, ifAbsent: ifAbsent)
    }
    try fileSystem.reach(.afterCopy)
    tree.keepStamp(stamp, for: copied, at: target)
    // A worker that died may have come further with this rename: then the file's own spool is there.
    let isThere = tree.spools.find(source) == nil && tree.spools.find(target)?.stamp == stamp
    if !isThere, let replaced = tree.spools.move(source, to: target) { try unlink(replaced, at: target) }
    try tree.spools.find(target)?.moved(to: target, copied)
    tree.changed(target, to: .file(copied, stamp: stamp))
    fileSystem.nodes.moved(source, to: target)
    try fileSystem.reach(.beforeSourceRemoval)
    try change(source, "the removal after a copy") { () throws(BucketError) in
      try fileSystem.bucket.delete(source.fileKey)
    }
  }

  /// A file that the store has not seen.
  private func moveSpool(_ source: NodePath, to target: NodePath, _ victim: ObjectEntry.Object) throws(Errno) {
    guard let spool = tree.spools.find(source) else { throw .staleNode }
    try spool.move(to: target, replaces: victim != .absent)
    if let replaced = tree.spools.move(source, to: target) { try unlink(replaced, at: target) }
    tree.changed(source, to: .absent)
    fileSystem.nodes.moved(source, to: target)
  }

  /// 412 speaks of the source or of the target; which one, a second look tells.
  private func failure(
    _ error: BucketError, _ source: NodePath, _ target: NodePath, ifAbsent: Bool
  ) throws(Errno) -> Errno {
    if error.kind == .precondition, ifAbsent, try tree.entry(target).object != .absent { return .nameTaken }
    fileSystem.log.report(error, "a copy", source)
    return error.errno
  }
}

/// Copies one object within the bucket.
struct ObjectCopy: Sendable {
  private let bucket: any ObjectBucket
  /// In bytes: what is larger than the first is copied in parts of the second.
  private let largestCopy: Int64
  private let partSize: Int64
  private let version: ObjectVersion

  /// - Parameter version: of the source; another one is not copied.
  init(_ fileSystem: ObjectFileSystem, _ version: ObjectVersion) {
    self.init(
      fileSystem.bucket, version, largestCopy: fileSystem.options.largestCopy,
      partSize: fileSystem.options.copyPartSize)
  }

  init(_ bucket: any ObjectBucket, _ version: ObjectVersion, largestCopy: Int64, partSize: Int64) {
    self.bucket = bucket
    self.version = version
    self.largestCopy = largestCopy
    self.partSize = partSize
  }

  /// Whether an object may be what a copy of that version has made: one that was uploaded in parts, or copied so, has another
  /// tag than its copy.
  static func mayBe(_ copy: ObjectVersion, of version: ObjectVersion) -> Bool {
    guard copy.size == version.size else { return false }
    return [copy, version].contains { $0.entityTag.value.contains("-") } || copy.entityTag == version.entityTag
  }

  /// Parts of a copy that are under way at a time.
  private static let width = 8

  /// - Returns: the copy's version.
  func run(_ source: ObjectKey, to target: ObjectKey, ifAbsent: Bool) throws(BucketError) -> ObjectVersion {
    let tag =
      version.size > largestCopy
      ? try copyInParts(source, to: target, ifAbsent: ifAbsent)
      : try copyWhole(source, to: target, ifAbsent: ifAbsent)
    return ObjectVersion(
      size: version.size, entityTag: tag, lastModified: WallClock.coarseNanoseconds / 1_000_000_000)
  }

  private func copyWhole(_ source: ObjectKey, to target: ObjectKey, ifAbsent: Bool) throws(BucketError) -> EntityTag {
    do throws(BucketError) {
      return try bucket.copy(source, ifMatch: version.entityTag, to: target, ifAbsent: ifAbsent)
    } catch {
      // Services that have no condition for the target of a copy; there was a look before.
      guard ifAbsent, error.kind == .unsupported else { throw error }
      return try bucket.copy(source, ifMatch: version.entityTag, to: target, ifAbsent: false)
    }
  }

  private func copyInParts(_ source: ObjectKey, to target: ObjectKey, ifAbsent: Bool) throws(BucketError) -> EntityTag {
    let upload = ObjectUpload(key: target, uploadID: try bucket.createUpload(target))
    let (size, length) = (version.size, partSize)
    let count = Int((size + length - 1) / length)
    let parts = PartList()
    do throws(BucketError) {
      do throws(Errno) {
        try ParallelCalls.run(count, width: Self.width) { [bucket, tag = version.entityTag] index throws(Errno) in
          let start = Int64(index) * length
          do throws(BucketError) {
            parts.add(
              index + 1,
              try bucket.copyPart(
                index + 1, of: upload, from: source, range: start..<min(size, start + length), ifMatch: tag))
          } catch {
            parts.fail(error)
            throw error.errno
          }
        }
      } catch { throw parts.failure ?? BucketError(.other, "a copy failed: \(error)") }
      return try bucket.complete(upload, parts: parts.sorted, ifAbsent: ifAbsent)
    } catch {
      try? bucket.abort(upload)
      throw error
    }
  }
}
