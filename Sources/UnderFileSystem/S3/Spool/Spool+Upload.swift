import Glibc
import LinuxSystem
import ObjectStore
import Synchronization
import SystemPackage

/// Bringing a spooled file to the store.
extension Spool {
  // MARK: While it is written

  /// Sends parts that are full and that the writer has left. Waits where the spool has no room.
  func sendWhatIsFull(before offset: Int64) throws(Errno) {
    let layout = snapshot.layout
    guard offset >= layout.start(1), !isUnlinked else { return }
    startUploads(upTo: layout.part(at: offset))
    makeRoom()
    try serialized { () throws(Errno) in
      while folder.isOverRoom, uploadsUnderWay > 0, failure == nil {
        waitForUpload()
        makeRoom()
      }
      // With nothing under way and no room the disk decides.
      if folder.isOverRoom, let failure {
        setFailure(nil)
        throw failure
      }
    }
  }

  /// - Parameter end: parts before this one are sent.
  private func startUploads(upTo end: Int) {
    for part in 0..<end {
      let known = snapshot
      let state = known.parts[part] ?? SpoolPart()
      guard state.isLocal, !state.isElsewhere, !known.uploading.contains(part) else { continue }
      guard beginUpload() else { return }
      change { state in
        state.uploading.insert(part)
        if state.parts[part] == nil { state.parts[part] = SpoolPart() }
      }
      let started = try? DetachedThread.start(name: "upload", stackSize: 256 << 10) { [self, fileSystem] in
        withExtendedLifetime(fileSystem) {
          var result: Errno?
          do throws(Errno) { try send(part) } catch { result = error }
          change { $0.uploading.remove(part) }
          makeRoom()
          endUpload(result)
        }
      }
      if started == nil {
        change { $0.uploading.remove(part) }
        return endUpload(nil)
      }
    }
  }

  /// Sends one part as it is now.
  private func send(_ part: Int) throws(Errno) {
    let upload = try beginMultipart()
    let before = snapshot
    let range = before.layout.range(part).clamped(to: 0..<(try size()))
    let body = ObjectBody.file(data, offset: range.lowerBound, length: Int64(range.count))
    let tag = try partOf(upload, "the upload of a part") { () throws(BucketError) in
      try fileSystem.bucket.putPart(part + 1, of: upload, body)
    }
    try recordUpload(part, tag, before: before, upload)
  }

  /// A request for a part. Where the store knows the upload no more, the next attempt begins another one.
  private func partOf(
    _ upload: ObjectUpload, _ call: String, _ body: () throws(BucketError) -> EntityTag
  ) throws(Errno) -> EntityTag {
    do throws(BucketError) { return try body() } catch {
      guard error.kind == .notFound else {
        fileSystem.log.report(error, call, path)
        throw error.errno
      }
      fileSystem.log.failed(call, key: upload.key.description, message: error.description)
      forgetUpload(upload)
      throw .uploadFailed
    }
  }

  /// The upload that is under way, or a new one: one for all threads.
  private func beginMultipart() throws(Errno) -> ObjectUpload {
    try uploadBeginning.withLock { (_) throws(Errno) in
      let known = snapshot
      if known.isUnlinked { throw failed("the file is removed") }
      if let upload = known.upload { return upload }
      let key = ObjectKey(bytes: snapshot.key)
      let id = try fileSystem.log.reporting("the beginning of an upload", path) { () throws(BucketError) in
        try fileSystem.bucket.createUpload(key)
      }
      try record(.upload(id: id))
      return ObjectUpload(key: key, uploadID: id)
    }
  }

  /// Lets go of parts that are in the store, but of the last two.
  func makeRoom() {
    guard folder.isOverRoom, let size = try? size() else { return }
    let layout = snapshot.layout
    for part in 0..<max(0, layout.count(size) - 2) where folder.isOverRoom {
      let isSpare = snapshot.parts[part].map { $0.isLocal && $0.isElsewhere } ?? false
      guard isSpare, let left = try? leave(part), left else { continue }
      let range = layout.range(part)
      try? data.descriptor.allocate(
        mode: Self.punchHole, offset: range.lowerBound, length: Int64(range.count))
      count(-Int64(range.count))
    }
  }

  /// FALLOC_FL_KEEP_SIZE and FALLOC_FL_PUNCH_HOLE.
  private static let punchHole: Int32 = 0x01 | 0x02

  // MARK: At close and fsync

  /// Brings all of it to the store, under its name. Nothing to do where the store has it.
  /// - Throws: EEXIST when somebody else made an object of that name meanwhile; what the store says. The next call tries
  ///   again.
  func complete() throws(Errno) {
    try serialized { () throws(Errno) in
      while uploadsUnderWay > 0 { waitForUpload() }
      let known = snapshot
      guard known.isDirty, known.isPlaced, !known.isUnlinked else { return }
      do throws(Errno) {
        let version = try bring(known)
        try record(.completed(version))
        try fileSystem.reach(.afterUpload)
        fileSystem.tree.keepStamp(known.stamp, for: version, at: path)
        fileSystem.tree.changed(path, to: .file(version, stamp: known.stamp))
        setFailed(false)
      } catch {
        setFailed(true)
        fileSystem.tree.forget(path)
        throw error
      }
    }
  }

  private func bring(_ known: SpoolState) throws(Errno) -> ObjectVersion {
    let size = try size()
    let isWhole = known.uploadID == nil && size <= known.layout.first && (known.parts[0]?.isLocal ?? true)
    let tag: EntityTag
    if isWhole {
      tag = try placing(known) { (ifAbsent) throws(BucketError) in
        try fileSystem.bucket.put(
          ObjectKey(bytes: known.key), .file(data, offset: 0, length: size), ifAbsent: ifAbsent)
      }
    } else {
      try sendRest(known, size)
      tag = try completeUpload(known, size)
    }
    return ObjectVersion(
      size: size, entityTag: tag, lastModified: WallClock.coarseNanoseconds / 1_000_000_000)
  }

  private func completeUpload(_ known: SpoolState, _ size: Int64) throws(Errno) -> EntityTag {
    let sent = snapshot
    guard let upload = sent.upload else { throw failed("the upload is lost; it is begun again with the next attempt") }
    let parts = (0..<sent.layout.count(size)).compactMap { part in
      sent.parts[part]?.tag.map { (number: part + 1, tag: $0) }
    }
    guard parts.count == sent.layout.count(size) else {
      throw failed("the file changed while it was sent")
    }
    let tag = try placing(known) { (ifAbsent) throws(BucketError) in
      do throws(BucketError) {
        return try fileSystem.bucket.complete(upload, parts: parts, ifAbsent: ifAbsent)
      } catch {
        // An attempt before, whose answer was lost, may have completed it: the tags of such objects count their parts.
        guard error.kind == .notFound, case .file(let found, _)? = try? fileSystem.tree.ask(path),
          found.size == size, found.entityTag.value.hasSuffix("-\(parts.count)")
        else { throw error }
        return found.entityTag
      }
    }
    // Some services answer with another tag than they serve the object by; readers would take it for somebody else's.
    guard case .file(let found, _)? = try? fileSystem.tree.ask(path), found.size == size else { return tag }
    return found.entityTag
  }

  /// The request that lets the object appear: only where nothing is, for a file that was not there.
  private func placing(
    _ known: SpoolState, _ body: (_ ifAbsent: Bool) throws(BucketError) -> EntityTag
  ) throws(Errno) -> EntityTag {
    let ifAbsent = known.replaces ? false : try isStillAbsent(known)
    if ifAbsent { try record(.attempted) }
    do throws(BucketError) { return try body(ifAbsent) } catch {
      if ifAbsent, error.kind == .unsupported {
        return try fileSystem.log.reporting("a write", path) { () throws(BucketError) in try body(false) }
      }
      if error.kind == .notFound, let upload = snapshot.upload { forgetUpload(upload) }
      if ifAbsent, error.kind == .precondition { throw .nameTaken }
      if error.kind == .notFound { throw failed(error.description) }
      fileSystem.log.report(error, "a write", path)
      throw error.errno
    }
  }

  /// A look before, where the store may know no condition, and where an attempt has ended nobody knows how.
  /// - Returns: false: there is an object, and it comes from an attempt before.
  /// - Throws: EEXIST: it is somebody else's.
  private func isStillAbsent(_ known: SpoolState) throws(Errno) -> Bool {
    guard known.isAttempted || !fileSystem.options.trustsConditions else { return true }
    let size = try size()
    switch try fileSystem.tree.ask(path) {
    case .absent: return true
    case .file(let version, _) where known.isAttempted && version.size == size: return false
    default: throw .nameTaken
    }
  }

  /// The store knows the upload no more: what is in the spool is sent again with the next attempt.
  private func forgetUpload(_ upload: ObjectUpload) {
    let known = snapshot
    guard known.upload == upload else { return }
    _ = try? record(.moved(key: known.key, replaces: known.replaces))
  }

  /// Sends or copies all parts that the upload does not have.
  private func sendRest(_ known: SpoolState, _ size: Int64) throws(Errno) {
    let upload = try beginMultipart()
    let missing = (0..<known.layout.count(size)).filter { known.parts[$0]?.tag == nil }
    try ParallelCalls.run(missing.count, width: folder.limits.uploads) { [self] index throws(Errno) in
      let part = missing[index]
      let state = known.parts[part] ?? SpoolPart()
      if state.isInBase, let base = known.base {
        let range = known.layout.range(part).clamped(to: 0..<size)
        let tag = try partOf(upload, "a copy of a part") { () throws(BucketError) in
          try fileSystem.bucket.copyPart(part + 1, of: upload, from: upload.key, range: range, ifMatch: base.entityTag)
        }
        try recordUpload(part, tag, before: known, upload)
      } else if state.isLocal {
        try send(part)
      } else {
        // It was in an upload that is lost: neither a hole nor a part of the file may take its place.
        throw failed("a part that is no longer in the spool was in an upload that is lost")
      }
    }
  }

  /// EIO, with a line that says why.
  private func failed(_ reason: String) -> Errno {
    fileSystem.log.failed("an upload", key: path.fileKey.description, message: reason)
    return .uploadFailed
  }
}
