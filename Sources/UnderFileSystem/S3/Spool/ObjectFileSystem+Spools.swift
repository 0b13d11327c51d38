import LinuxSystem
import ObjectStore
package import SystemPackage

/// Making, finding and ending spools.
extension ObjectFileSystem {
  /// A spool for a file that is not there yet, and that nobody sees until it is placed.
  /// - Throws: EOPNOTSUPP where the volume has no folder for spools.
  func makeSpool(_ path: NodePath) throws(Errno) -> Spool {
    guard let folder = spoolFolder else { throw refused.refuse("writing") }
    let id = UInt64.random(in: 1 ... .max)
    let data = try folder.createData(id)
    return try begin(
      folder, id, data,
      SpoolState(
        key: path.bytes, stamp: id, base: nil, layout: PartLayout(first: folder.limits.firstPart)))
  }

  /// The spool of a file that is there: what the store has is continued.
  /// - Parameter isCut: its content goes, so that none of it has to be read.
  func continueSpool(_ path: NodePath, _ version: ObjectVersion, stamp: UInt64, isCut: Bool) throws(Errno) -> Spool {
    if let known = tree.spools.find(path), known.stamp == stamp { return known }
    guard let folder = spoolFolder else { throw refused.refuse("writing") }
    let layout = PartLayout(first: folder.limits.firstPart)
    let id = UInt64.random(in: 1 ... .max)
    let data = try folder.createData(id)
    do throws(Errno) {
      if !isCut { try load(path, version, layout, into: data) }
      try data.descriptor.truncate(to: version.size)
      let spool = try begin(
        folder, id, data, SpoolState(key: path.bytes, stamp: stamp, base: version, layout: layout))
      if tree.spools.insert(spool, at: path) { return spool }
      folder.remove(id)
    } catch {
      folder.remove(id)
      throw error
    }
    // Another thread was faster.
    guard let other = tree.spools.find(path), other.stamp == stamp else { throw .staleNode }
    return other
  }

  /// What a spool has of an object from its beginning: all of a small one, the last part of a larger one.
  private func load(
    _ path: NodePath, _ version: ObjectVersion, _ layout: PartLayout, into data: SharedDescriptor
  ) throws(Errno) {
    guard version.size > 0 else { return }
    let start = layout.start(layout.part(at: version.size - 1))
    let bytes = try bytes(of: path, version, start..<version.size)
    let written = try bytes.withRawSpan { (bytes) throws(Errno) in try data.descriptor.write(bytes, at: start) }
    guard written == bytes.count else { throw .noSpace }
  }

  private func begin(
    _ folder: SpoolFolder, _ id: UInt64, _ data: SharedDescriptor, _ state: SpoolState
  ) throws(Errno) -> Spool {
    do throws(Errno) {
      let log = try folder.createLog(id)
      try log.append(.begin(key: state.key, stamp: state.stamp, base: state.base))
      return Spool(self, folder, id: id, data: data, log: log, state)
    } catch {
      folder.remove(id)
      throw error
    }
  }

  /// The last handle that writes was closed: what the store has not, goes there now. Where an attempt failed before, and its
  /// caller knows, the file stays as the store has it.
  func close(_ spool: Spool) {
    if !isDead, !spool.isUnlinked, spool.isDirty, !spool.hasFailed { try? spool.complete() }
    if isDead { return }
    let path = spool.path
    let isLost = spool.isDirty && !spool.isUnlinked
    if isLost { log.failed("a write", key: path.fileKey.description, message: "it is given up with its last close") }
    tree.spools.remove(spool, at: path)
    if isLost { tree.forget(path) }
    spool.discard()
  }

  // MARK: What an earlier worker left

  /// Takes up the files that the worker before was writing. Call before anything else is.
  /// - Parameter isSameMount: false: they belong to a mount that is over; uploads are aborted, and all is removed.
  package func adoptSpools(isSameMount: Bool) throws(Errno) {
    guard let folder = spoolFolder else { return }
    if isSameMount { tree.adoptStamps() } else { folder.stamps.remove() }
    var found: [Spool] = []
    for id in try folder.ids() {
      if let spool = try? load(folder, id) { found.append(spool) } else { folder.remove(id) }
    }
    // Of two that have one name a rename was replacing the other when its worker died.
    for spool in found.filter(\.snapshot.isRenamed) + found.filter({ !$0.snapshot.isRenamed }) {
      let known = spool.snapshot
      let isWanted = isSameMount && known.isPlaced && !known.isUnlinked
      spool.count(known.localBytes((try? spool.size()) ?? 0))
      guard isWanted, tree.spools.insert(spool, at: spool.path) else {
        spool.discard()
        continue
      }
      spool.setAdopted()
      // The worker before may have died between its upload and the note of which file that continues.
      if !known.isDirty, let version = known.base { tree.keepStamp(known.stamp, for: version, at: spool.path) }
    }
  }

  package var hasLeftovers: Bool { tree.spools.all.contains { $0.spool.isAdopted } }

  package func closeLeftovers(unless isOpen: ([FileName]) -> Bool) {
    for (path, spool) in tree.spools.all where spool.isAdopted {
      let names = path.bytes[keys.root.bytes.count...].split(separator: 0x2F).map { FileName(bytes: $0) }
      if !isOpen(names) { close(spool) }
    }
  }

  private func load(_ folder: SpoolFolder, _ id: UInt64) throws(Errno) -> Spool {
    let data = try folder.openData(id)
    let (log, records) = try folder.openLog(id)
    guard let state = SpoolState(records, layout: PartLayout(first: folder.limits.firstPart)) else {
      throw .spoolDamaged
    }
    let spool = Spool(self, folder, id: id, data: data, log: log, state)
    // Written behind what the store has, and not yet recorded otherwise.
    if let base = state.base, !state.isDirty, try spool.size() != base.size { spool.change { $0.isDirty = true } }
    return spool
  }

  /// A range of one version.
  func bytes(of path: NodePath, _ version: ObjectVersion, _ range: Range<Int64>) throws(Errno) -> [UInt8] {
    try log.reporting("a read", path) { () throws(BucketError) in
      try read(path, version, range)
    }
  }

  func read(
    _ path: NodePath, _ version: ObjectVersion, _ range: Range<Int64>
  ) throws(BucketError) -> [UInt8] {
    let reader = RangeReader(tag: version.entityTag, count: range.count)
    _ = bucket.read(path.fileKey, range: range, ifMatch: version.entityTag, into: reader)
    return try reader.wait()
  }
}
