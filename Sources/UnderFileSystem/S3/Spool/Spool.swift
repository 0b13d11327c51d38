import Glibc
import LinuxSystem
import ObjectStore
import Synchronization
import SystemPackage

/// A file that is being written: its bytes on local disk until the store has them, and the upload that brings them there.
///
/// Changes take turns under `changes`; what is known is under `state`, for reads and uploads that run meanwhile.
final class Spool: Sendable {
  let id: UInt64
  /// Its table is this one's: whoever has a spool otherwise, a handle or a thread that uploads, has the file system, too.
  unowned let fileSystem: ObjectFileSystem
  let folder: SpoolFolder
  let data: SharedDescriptor
  let log: RecordLog
  private let state: Mutex<SpoolState>
  private let changes = Monitor()
  /// An upload of a part is over, or failed.
  private let uploaded: Condition
  private let run = Mutex(Run())
  /// Held while an upload is begun.
  let uploadBeginning = Mutex(())

  /// What is of this process alone.
  private struct Run: Sendable {
    var uploadsUnderWay = 0
    /// Of a part that was sent in the background; the next attempt may do better.
    var failure: Errno?
    /// The last attempt to bring all of it to the store failed.
    var hasFailed = false
    /// A worker before has begun it.
    var isAdopted = false
    /// Nothing more is to be written here: its files are gone.
    var isClosed = false
    /// Its share of the room that is used, in bytes.
    var counted: Int64 = 0
    /// Seconds since 1970.
    var changed: Int64
    init() { changed = WallClock.coarseNanoseconds / 1_000_000_000 }
  }

  init(
    _ fileSystem: ObjectFileSystem, _ folder: SpoolFolder, id: UInt64, data: SharedDescriptor, log: RecordLog,
    _ state: SpoolState
  ) {
    self.fileSystem = fileSystem
    self.folder = folder
    self.id = id
    self.data = data
    self.log = log
    self.state = Mutex(state)
    uploaded = Condition(of: changes)
  }

  deinit {
    // Nobody can open what has no name: it ends with those who had it open.
    if snapshot.isUnlinked, !isClosed { release() }
  }

  // MARK: What it is

  var snapshot: SpoolState { state.withLock { $0 } }
  var stamp: UInt64 { state.withLock { $0.stamp } }
  var path: NodePath { NodePath(fileKey: state.withLock { $0.key }) }
  var isUnlinked: Bool { state.withLock { $0.isUnlinked } }
  var isClosed: Bool { run.withLock { $0.isClosed } }
  var isDirty: Bool { state.withLock { $0.isDirty } }
  /// Whether the last attempt to bring it to the store failed.
  var hasFailed: Bool { run.withLock { $0.hasFailed } }
  func setFailed(_ hasFailed: Bool) { run.withLock { $0.hasFailed = hasFailed } }
  /// Whether a worker before has begun it: nobody may be left who closes it.
  var isAdopted: Bool { run.withLock { $0.isAdopted } }
  func setAdopted() { run.withLock { $0.isAdopted = true } }

  func size() throws(Errno) -> Int64 { try data.descriptor.status().size }

  /// As others will see it: the version that is coming.
  func version() throws(Errno) -> ObjectVersion {
    let known = snapshot
    if !known.isDirty, let base = known.base { return base }
    return ObjectVersion(
      size: try size(), entityTag: EntityTag("spool-\(id)"), lastModified: run.withLock { $0.changed })
  }

  /// Changes one after another.
  func serialized<Value>(_ body: () throws(Errno) -> Value) throws(Errno) -> Value {
    try changes.locked { () -> Result<Value, Errno> in
      do throws(Errno) { return .success(try body()) } catch { return .failure(error) }
    }.get()
  }

  /// Records a step and takes it. - Throws: what the disk says; the step is then not taken.
  @discardableResult
  func record(_ record: SpoolRecord) throws(Errno) -> SpoolState {
    try state.withLock { (state) throws(Errno) in
      try log.append(record)
      state.apply(record)
      return state
    }
  }

  /// Records the end of an upload of a part, unless the part was changed or the upload given up meanwhile.
  /// - Parameter before: what was known when it was read.
  func recordUpload(
    _ part: Int, _ tag: EntityTag, before: SpoolState, _ upload: ObjectUpload
  ) throws(Errno) {
    try state.withLock { (state) throws(Errno) in
      let known = state.parts[part] ?? SpoolPart()
      let generation = before.parts[part]?.generation ?? 0
      guard state.upload == upload, state.epoch == before.epoch, known.generation == generation,
        state.writing?.contains(part) != true
      else { return }
      try log.append(.part(part, tag))
      state.apply(.part(part, tag))
    }
  }

  /// Records that parts are about to change; all of them are looked at before the first.
  /// - Throws: EOPNOTSUPP where one has left the spool.
  func touch(_ parts: Range<Int>) throws(Errno) {
    let isHere = try state.withLock { (state) throws(Errno) -> Bool in
      for part in parts where state.parts[part]?.isLocal == false { return false }
      for part in parts where state.needsRecord(part) {
        try log.append(.dirty(part))
        state.apply(.dirty(part))
      }
      state.writing = parts
      return true
    }
    guard isHere else { throw fileSystem.refused.refuse("changing a part that has left the spool") }
  }

  /// The change that `touch` announced is over: what was read of these parts meanwhile is neither the old nor the new.
  /// - Parameter isCut: so are all parts behind a new end.
  func touched(isCut: Bool = false) {
    state.withLock { state in
      for part in state.writing ?? 0..<0 where state.parts[part] != nil || state.uploading.contains(part) {
        state.parts[part, default: SpoolPart()].generation += 1
      }
      state.writing = nil
      if isCut { state.epoch += 1 }
    }
  }

  /// Records that a part leaves the spool, if it is to be had elsewhere. - Returns: whether its bytes may be given up.
  func leave(_ part: Int) throws(Errno) -> Bool {
    try state.withLock { (state) throws(Errno) in
      let known = state.parts[part] ?? SpoolPart()
      guard known.isLocal, known.isElsewhere, !state.uploading.contains(part) else { return false }
      try log.append(.gone(part))
      state.apply(.gone(part))
      return true
    }
  }

  /// What is not recorded, as that a part is under way.
  func change(_ body: (inout SpoolState) -> Void) { state.withLock { body(&$0) } }

  /// Bytes that came into the spool, or left it.
  func count(_ bytes: Int64) {
    let change = run.withLock { run -> Int64 in
      guard !run.isClosed else { return 0 }
      let before = run.counted
      run.counted = max(0, before + bytes)
      return run.counted - before
    }
    folder.add(change)
  }

  /// Removes its files and gives up its room, once.
  func release() {
    let counted = run.withLock { run -> Int64? in
      guard !run.isClosed else { return nil }
      run.isClosed = true
      return run.counted
    }
    guard let counted else { return }
    folder.remove(id)
    folder.add(-counted)
  }

  func noteChange() {
    run.withLock { run in
      run.changed = WallClock.coarseNanoseconds / 1_000_000_000
    }
  }

  // MARK: Uploads in the background

  /// Takes the right to send one more part.
  func beginUpload() -> Bool {
    run.withLock { run in
      guard run.uploadsUnderWay < folder.limits.uploads else { return false }
      run.uploadsUnderWay += 1
      return true
    }
  }

  func endUpload(_ failure: Errno?) {
    changes.locked {
      run.withLock { run in
        run.uploadsUnderWay -= 1
        if let failure { run.failure = failure }
      }
      uploaded.broadcast()
    }
  }

  var uploadsUnderWay: Int { run.withLock { $0.uploadsUnderWay } }
  var failure: Errno? { run.withLock { $0.failure } }
  func setFailure(_ failure: Errno?) { run.withLock { $0.failure = failure } }

  /// Within `serialized`: gives others their turn until an upload is over.
  func waitForUpload() { uploaded.wait() }
}
