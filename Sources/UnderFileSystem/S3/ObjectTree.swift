import LinuxSystem
import Synchronization
import SystemPackage

/// What the names of a volume stand for: asked of the store, and remembered for a while. What this mount changes is known
/// at once; several that want to know the same ask once.
final class ObjectTree: Sendable {
  let bucket: any ObjectBucket
  let log: any ObjectStoreLog
  /// Files that are being written.
  let spools = SpoolTable()
  private let state: Mutex<State>
  /// Counts the files that this mount has changed, so that those who have one open see that they should look.
  private let changes = Atomic(0)
  /// Where stamps outlive the worker; nil: nothing is written here.
  private let stampLog: StampLog?
  private let nameLifetime: Atomic<UInt64>
  private let attributeLifetime: Atomic<UInt64>

  private struct State: Sendable {
    var cache: EntryCache
    var flights: [PathHash: Awaited<ObjectEntry>] = [:]
    var stamps = StampTable()
  }

  init(bucket: any ObjectBucket, options: ObjectFileSystemOptions, stamps: StampLog?, log: any ObjectStoreLog) {
    stampLog = stamps
    self.bucket = bucket
    self.log = log
    state = Mutex(State(cache: EntryCache(capacity: options.entryLimit)))
    nameLifetime = Atomic(options.entryTimeout)
    attributeLifetime = Atomic(options.attributeTimeout)
  }

  /// Nanoseconds for which names, and for which attributes, are believed.
  func update(entryTimeout: UInt64, attributeTimeout: UInt64) {
    nameLifetime.store(entryTimeout, ordering: .relaxed)
    attributeLifetime.store(attributeTimeout, ordering: .relaxed)
  }

  /// Names that are remembered.
  var count: Int { state.withLock { $0.cache.count } }

  static var now: UInt64 { Deadline.now.nanoseconds }

  // MARK: Asking

  /// What the path stands for, not longer ago than the timeouts allow.
  /// - Throws: what the store says; a name that is not there is no error.
  func entry(_ path: NodePath) throws(Errno) -> ObjectEntry {
    guard !path.isRoot else { return ObjectEntry(object: .directory, asOf: .max) }
    if let spool = spools.find(path) { return ObjectEntry(object: try spool.object(), asOf: .max) }
    let hash = PathHash(path.bytes)
    let flight: Awaited<ObjectEntry>
    switch begin(path, hash) {
    case .known(let entry): return entry
    case .underWay(let other): return try other.wait()
    case .ask(let own): flight = own
    }
    let asOf = Self.now
    let answer: Result<ObjectEntry, Errno>
    do throws(Errno) {
      answer = .success(learn(try ask(path), of: path, hash, asOf: asOf))
    } catch { answer = .failure(error) }
    state.withLock { if $0.flights[hash] === flight { $0.flights[hash] = nil } }
    flight.finish(answer)
    return try answer.get()
  }

  private enum Beginning {
    case known(ObjectEntry)
    case underWay(Awaited<ObjectEntry>)
    case ask(Awaited<ObjectEntry>)
  }

  private func begin(_ path: NodePath, _ hash: PathHash) -> Beginning {
    let now = Self.now
    return state.withLock { state in
      if let entry = state.cache.find(hash) {
        if isBelieved(entry, at: now) { return .known(entry) }
      } else if let whole = state.cache.wholeSince(PathHash(path.parentPrefix)),
        now &- whole < nameLifetime.load(ordering: .relaxed)
      {
        return .known(ObjectEntry(object: .absent, asOf: whole))
      }
      if let flight = state.flights[hash] { return .underWay(flight) }
      let flight = Awaited<ObjectEntry>()
      state.flights[hash] = flight
      return .ask(flight)
    }
  }

  private func isBelieved(_ entry: ObjectEntry, at now: UInt64) -> Bool {
    var lifetime = nameLifetime.load(ordering: .relaxed)
    if entry.file != nil { lifetime = min(lifetime, attributeLifetime.load(ordering: .relaxed)) }
    return now &- entry.asOf < lifetime
  }

  /// One listing finds file and directory of the name: `name` stands before `name/`, and mostly nothing stands between.
  func ask(_ path: NodePath) throws(Errno) -> ObjectEntry.Object {
    var request = ListRequest(prefix: path.fileKey)
    request.limit = 2
    let page = try list(request, path)
    if page.prefixes.contains(path.markerKey) { return .directory }
    let version = page.objects.first { $0.key == path.fileKey }?.version
    let isDecided =
      page.continuation == nil || page.objects.contains { path.markerKey < $0.key }
      || page.prefixes.contains { path.markerKey < $0 }
    if !isDecided, try hasKeys(beneath: path) { return .directory }
    guard let version else { return .absent }
    return .file(version, stamp: stamp(of: version, at: PathHash(path.bytes)))
  }

  /// Whether any key, its marker or one that is hidden, makes the directory.
  func hasKeys(beneath path: NodePath) throws(Errno) -> Bool {
    var request = ListRequest(prefix: path.markerKey)
    request.limit = 1
    let page = try list(request, path)
    return !page.objects.isEmpty || !page.prefixes.isEmpty
  }

  /// One page, with failures logged.
  func list(_ request: ListRequest, _ path: NodePath) throws(Errno) -> ObjectPage {
    try log.reporting("a listing", path) { () throws(BucketError) in try bucket.list(request) }
  }

  // MARK: Learning

  /// - Returns: what is known now, which is newer than `object` where this mount has changed the name meanwhile.
  private func learn(
    _ object: ObjectEntry.Object, of path: NodePath, _ hash: PathHash, asOf: UInt64
  ) -> ObjectEntry {
    state.withLock { state in
      let entry = ObjectEntry(object: object, asOf: asOf)
      state.cache.learn(entry, of: hash, in: PathHash(path.parentPrefix))
      return state.cache.find(hash) ?? entry
    }
  }

  /// What a page of a listing told.
  func learn(_ entries: [ListedEntry], in directory: NodePath, asOf: UInt64) {
    let parent = PathHash(directory.directoryPrefix)
    state.withLock { state in
      for entry in entries {
        let hash = PathHash(entry.fileKey)
        let object: ObjectEntry.Object =
          if let version = entry.version {
            .file(version, stamp: state.stamps.stamp(of: version, at: hash))
          } else { .directory }
        state.cache.learn(ObjectEntry(object: object, asOf: asOf), of: hash, in: parent)
      }
    }
  }

  /// A listing of the directory begins or ends that goes from its start to its end.
  func beginWhole(_ directory: NodePath, asOf: UInt64) {
    state.withLock { $0.cache.beginWhole(PathHash(directory.directoryPrefix), asOf: asOf) }
  }
  func endWhole(_ directory: NodePath, asOf: UInt64) {
    state.withLock { $0.cache.endWhole(PathHash(directory.directoryPrefix), asOf: asOf) }
  }

  /// A change of our own that is done: what was asked before it is not believed any more.
  func changed(_ path: NodePath, to object: ObjectEntry.Object) {
    let hash = PathHash(path.bytes)
    let entry = ObjectEntry(object: object, asOf: Self.now, isOwn: true)
    state.withLock { state in
      state.cache.learn(entry, of: hash, in: PathHash(path.parentPrefix))
      state.flights[hash] = nil
    }
    if entry.file != nil { changes.add(1, ordering: .releasing) }
  }

  /// Another number after each change of a file by this mount.
  var changeCount: Int { changes.load(ordering: .acquiring) }

  /// What is remembered of the path, however old it is; nil: nothing. Asks nobody.
  func remembered(_ path: NodePath) -> ObjectEntry? { state.withLock { $0.cache.find(PathHash(path.bytes)) } }

  /// Asks again the next time: nobody knows what a change that failed has done.
  func forget(_ path: NodePath) {
    let hash = PathHash(path.bytes)
    state.withLock { state in
      state.cache.forget(hash)
      state.flights[hash] = nil
    }
  }

  // MARK: Versions

  /// Tells the versions of one name apart: made of the ETag, so that it is the same for every worker. A version that this
  /// mount has made itself keeps the stamp of the file that it continues, as long as that is remembered.
  func stamp(of version: ObjectVersion, at path: PathHash) -> UInt64 {
    state.withLock { $0.stamps.stamp(of: version, at: path) }
  }

  /// This mount has made a version that continues a file.
  func keepStamp(_ stamp: UInt64, for version: ObjectVersion, at path: NodePath) {
    let own = StampTable.stamp(of: version)
    let isChange = state.withLock { $0.stamps.keep(stamp, for: own, at: PathHash(path.bytes)) }
    if isChange { stampLog?.add(.stamp(key: path.bytes, version: own, stamp: stamp)) }
  }

  /// Takes over what the worker before has kept.
  func adoptStamps() {
    for case .stamp(let key, let version, let stamp) in stampLog?.load() ?? [] {
      state.withLock { _ = $0.stamps.keep(stamp, for: version, at: PathHash(key)) }
    }
  }
}
