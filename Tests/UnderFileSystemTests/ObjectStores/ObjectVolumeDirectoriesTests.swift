import LinuxSystem
import ObjectStore
import Synchronization
import Testing

@testable import UnderFileSystem

@Suite("directories of provisioned volumes in a bucket")
struct ObjectVolumeDirectoriesTests {
  private let bucket: InMemoryBucket
  private let directories: ObjectVolumeDirectories

  init() {
    bucket = InMemoryBucket()
    directories = ObjectVolumeDirectories(bucket: bucket, prefix: "base".utf8)
  }

  private static func names(_ bucket: InMemoryBucket) -> [String] { bucket.keys.map(\.description) }
  private var names: [String] { Self.names(bucket) }
  private func text(_ key: ObjectKey) -> String? { bucket.content(key).map { String(decoding: $0, as: UTF8.self) } }

  /// A volume with three pages of objects, as small as pages are here.
  private static func fill(_ bucket: InMemoryBucket) {
    for key in ["", "!early", "a", "a/b", "c//d", "e", "ü/\u{1}"] { bucket.set(ObjectKey("base/vol/\(key)"), key) }
  }

  /// What lies beside it.
  private static let neighbours: [ObjectKey] = [
    "base/vo", "base/vol", "base/vol-2/x", "base/vol.", "base/volx", "vol/x",
  ]

  @Test("a directory is made once and found again by its owner, also when it holds nothing")
  func create() throws {
    #expect(try directories.createDirectory(named: "vol", owner: "id"))
    #expect(try !directories.createDirectory(named: "vol", owner: "id"))
    #expect(names == ["base/vol/.alluxio.volume"])
    #expect(text("base/vol/.alluxio.volume") == "id")
    #expect(try directories.hasDirectory(named: "vol", owner: "id"))
    #expect(try !directories.hasDirectory(named: "other", owner: "id"))
  }

  @Test("beneath the bucket itself directories are made as well")
  func root() throws {
    let directories = ObjectVolumeDirectories(bucket: bucket, prefix: "".utf8)
    try directories.createDirectory(named: "vol", owner: "id")
    #expect(names == ["vol/.alluxio.volume"])
    try directories.removeDirectory(named: "vol", owner: "id")
    #expect(names == [])
  }

  @Test(
    "a prefix with another volume's marker, or with objects and no marker, is refused for every call",
    arguments: [
      ("base/vol/.alluxio.volume", "other", VolumeDirectoryError.foreignOwner(found: "other")),
      ("base/vol/.alluxio.volume", "", .foreignOwner(found: nil)),
      ("base/vol/.alluxio.volume.txt", "id", .foreignOwner(found: nil)),
      ("base/vol/data", "precious", .foreignOwner(found: nil)), ("base/vol/", "", .foreignOwner(found: nil)),
    ])
  func foreign(key: String, content: String, error: VolumeDirectoryError) {
    bucket.set(ObjectKey(key), content)
    #expect(throws: error) { try directories.createDirectory(named: "vol", owner: "id") }
    #expect(throws: error) { try directories.hasDirectory(named: "vol", owner: "id") }
    #expect(throws: error) { try directories.removeDirectory(named: "vol", owner: "id") }
    #expect(throws: error) { try directories.archiveDirectory(named: "vol", owner: "id") }
    #expect(names == [key])
  }

  @Test("an object in the directory's place is in its way, and nobody's to remove")
  func file() throws {
    bucket.set("base/vol", "precious")
    #expect(throws: VolumeDirectoryError.notADirectory) { try directories.createDirectory(named: "vol", owner: "id") }
    #expect(try !directories.hasDirectory(named: "vol", owner: "id"))
    try directories.removeDirectory(named: "vol", owner: "id")
    try directories.archiveDirectory(named: "vol", owner: "id")
    #expect(text("base/vol") == "precious")
  }

  @Test("of two that make one directory at a time, one has it and the other is refused")
  func race() throws {
    let faults = BucketFaults()
    let bucket = InMemoryBucket(fault: faults.fault)
    faults.set { [weak bucket] call, key, isDone in
      if call == .put, !isDone { bucket?.set(key, "other") }
      return nil
    }
    let directories = ObjectVolumeDirectories(bucket: bucket, prefix: "base/".utf8)
    #expect(throws: VolumeDirectoryError.foreignOwner(found: "other")) {
      try directories.createDirectory(named: "vol", owner: "id")
    }
    #expect(bucket.content("base/vol/.alluxio.volume") == Array("other".utf8))
  }

  @Test(
    "names that lead elsewhere, are hidden or no keys are refused",
    arguments: [[], Array(".".utf8), Array("..".utf8), Array("a/b".utf8), Array(".alluxio.tmp.x".utf8), [0x61, 0xFF]])
  func badNames(bytes: [UInt8]) {
    let name = FileName(bytes: bytes)
    #expect(throws: VolumeDirectoryError.badName(name)) { try directories.createDirectory(named: name, owner: "v") }
    #expect(throws: VolumeDirectoryError.badName(name)) { try directories.removeDirectory(named: name, owner: "v") }
    #expect(throws: VolumeDirectoryError.badName(name)) { try directories.archiveDirectory(named: name, owner: "v") }
    #expect(bucket.requestCount == 0)
  }

  @Test("removal takes all keys beneath the prefix and uploads that are not over, and nothing beside it")
  func remove() throws {
    try directories.createDirectory(named: "vol", owner: "id")
    for key in Self.neighbours { bucket.set(key, "precious") }
    let kept = ObjectUpload(key: "base/volx", uploadID: try bucket.createUpload("base/volx"))
    Self.fill(bucket)
    _ = try bucket.createUpload("base/vol/upload")
    try directories.removeDirectory(named: "vol", owner: "id")
    #expect(bucket.keys == Self.neighbours.sorted())
    #expect(bucket.uploads == [kept])
    try directories.removeDirectory(named: "vol", owner: "id")
  }

  @Test("a service that lists keys that were not asked for is not believed, and loses none", arguments: [true, false])
  func strays(archives: Bool) throws {
    var manners = InMemoryBucket.Manners()
    manners.strays = ["base/vol-2/x"]
    let bucket = InMemoryBucket(manners)
    bucket.set("base/vol/.alluxio.volume", "id")
    bucket.set("base/vol/a")
    bucket.set("base/vol-2/x")
    let directories = ObjectVolumeDirectories(bucket: bucket, prefix: "base".utf8)
    #expect(throws: VolumeDirectoryError.strayKey) {
      if archives {
        try directories.archiveDirectory(named: "vol", owner: "id")
      } else {
        try directories.removeDirectory(named: "vol", owner: "id")
      }
    }
    #expect(bucket.content("base/vol-2/x") != nil)
    #expect(bucket.content("base/vol/.alluxio.volume") != nil)
  }

  @Test("objects that the service keeps are counted, the others go, and the directory is still its owner's")
  func locked() throws {
    var manners = InMemoryBucket.Manners()
    manners.longestPage = 2
    manners.locked = ["base/vol/a", "base/vol/e"]
    let bucket = InMemoryBucket(manners)
    bucket.set("base/vol/.alluxio.volume", "id")
    Self.fill(bucket)
    let directories = ObjectVolumeDirectories(bucket: bucket, prefix: "base".utf8)
    #expect(throws: VolumeDirectoryError.undeletable(count: 2, code: "AccessDenied")) {
      try directories.removeDirectory(named: "vol", owner: "id")
    }
    #expect(Self.names(bucket) == ["base/vol/.alluxio.volume", "base/vol/a", "base/vol/e"])
  }

  @Test("where objects appear as fast as they are removed, the call gives up")
  func unsettled() throws {
    let faults = BucketFaults()
    let bucket = InMemoryBucket(fault: faults.fault)
    bucket.set("base/vol/.alluxio.volume", "id")
    bucket.set("base/vol/a")
    faults.set { [weak bucket] call, _, isDone in
      if call == .deleteMany, isDone { bucket?.set("base/vol/b") }
      return nil
    }
    let directories = ObjectVolumeDirectories(bucket: bucket, prefix: "base".utf8)
    #expect(throws: VolumeDirectoryError.unsettled) { try directories.removeDirectory(named: "vol", owner: "id") }
    faults.set(nil)
    try directories.removeDirectory(named: "vol", owner: "id")
    #expect(Self.names(bucket) == [])
  }

  @Test("a call whose time is over says how far it came, and one that was cancelled ends")
  func interrupted() throws {
    Self.fill(bucket)
    bucket.set("base/vol/.alluxio.volume", "id")
    let late = ObjectVolumeDirectories(bucket: bucket, prefix: "base".utf8, work: PrefixWork(by: .now))
    #expect(throws: VolumeDirectoryError.interrupted(done: 0)) { try late.removeDirectory(named: "vol", owner: "id") }
    let faults = BucketFaults()
    var manners = InMemoryBucket.Manners()
    manners.longestPage = 1
    let slow = InMemoryBucket(manners, fault: faults.fault)
    Self.fill(slow)
    slow.set("base/vol/.alluxio.volume", "id")
    slow.set("base/vol/z")
    slow.set("base/vol/zz")
    let work = PrefixWork()
    faults.set { call, _, isDone in
      if call == .deleteMany, isDone { work.cancel() }
      return nil
    }
    let cancelled = ObjectVolumeDirectories(bucket: slow, prefix: "base".utf8, work: work)
    #expect(throws: VolumeDirectoryError.interrupted(done: 7)) {
      try cancelled.removeDirectory(named: "vol", owner: "id")
    }
    #expect(Self.names(slow).count == 3)
  }

  /// Runs `body` over a filled volume again and again; each time another call fails, before or after it was done, as when
  /// its process dies there. What follows must find the rest.
  private func dying(
    longestPage: Int, _ body: (ObjectVolumeDirectories) throws -> Void, _ check: (InMemoryBucket, Int) throws -> Void
  ) throws {
    for step in 0... {
      let faults = BucketFaults()
      var manners = InMemoryBucket.Manners()
      manners.longestPage = longestPage
      let bucket = InMemoryBucket(manners, fault: faults.fault)
      for key in Self.neighbours { bucket.set(key, "precious") }
      bucket.set("base/vol/.alluxio.volume", "id")
      Self.fill(bucket)
      _ = try bucket.createUpload("base/vol/upload")
      let counter = StepCounter(step)
      let dead = Mutex(false)
      faults.set { _, _, _ in
        let isDead = dead.withLock { dead in
          dead = dead || counter.isReached()
          return dead
        }
        return isDead ? BucketError(.other, "the process is dead") : nil
      }
      let died = (try? body(ObjectVolumeDirectories(bucket: bucket, prefix: "base".utf8))) == nil
      faults.set(nil)
      if died { try body(ObjectVolumeDirectories(bucket: bucket, prefix: "base".utf8)) }
      try check(bucket, step)
      if !died { return }
    }
  }

  @Test("a removal that dies at any request is ended by the next one", arguments: [1, 3, 1000])
  func dyingRemoval(longestPage: Int) throws {
    try dying(longestPage: longestPage) { directories in
      try directories.removeDirectory(named: "vol", owner: "id")
    } _: { bucket, step in
      // The object in the directory's place is a neighbour that must stay, and ends nothing.
      #expect(bucket.keys == Self.neighbours.sorted(), "at step \(step)")
      #expect(bucket.uploads == [], "at step \(step)")
    }
  }

  @Test("archiving that dies at any request is ended by the next one, in the same place", arguments: [1, 3, 1000])
  func dyingArchive(longestPage: Int) throws {
    let reference = InMemoryBucket()
    Self.fill(reference)
    let contents = reference.keys.map { ("base/archived-vol/" + $0.description.dropFirst(9), reference.content($0)) }
    try dying(longestPage: longestPage) { directories in
      try directories.archiveDirectory(named: "vol", owner: "id")
    } _: { bucket, step in
      let wanted = contents.map { ObjectKey($0.0) } + ["base/archived-vol/.alluxio.volume"] + Self.neighbours
      #expect(bucket.keys == wanted.sorted(), "at step \(step)")
      let isWhole = contents.allSatisfy { bucket.content(ObjectKey($0.0)) == $0.1 }
      #expect(isWhole, "at step \(step)")
      #expect(bucket.uploads == [], "at step \(step)")
    }
  }

  @Test("archives of one name get numbers, and no data is lost")
  func archive() throws {
    for round in 0..<3 {
      try directories.createDirectory(named: "vol", owner: "id")
      bucket.set("base/vol/file", "\(round)")
      try directories.archiveDirectory(named: "vol", owner: "id")
      try directories.archiveDirectory(named: "vol", owner: "id")
    }
    let places = ["base/archived-vol", "base/archived-vol.1", "base/archived-vol.2"]
    #expect(names == places.flatMap { ["\($0)/.alluxio.volume", "\($0)/file"] }.sorted())
    #expect(text("base/archived-vol.1/file") == "1")
  }

  @Test("an archive's name that somebody takes meanwhile, or that an object has, is left to them")
  func takenArchive() throws {
    bucket.set("base/archived-vol", "a file")
    try directories.createDirectory(named: "vol", owner: "id")
    // As an attempt leaves it that died after its note, when another volume has taken the name since.
    bucket.set("base/vol/.alluxio.tmp.archive", "1 id")
    bucket.set("base/archived-vol.1/.alluxio.volume", "other")
    bucket.set("base/vol/file", "x")
    try directories.archiveDirectory(named: "vol", owner: "id")
    #expect(
      names == [
        "base/archived-vol", "base/archived-vol.1/.alluxio.volume", "base/archived-vol.2/.alluxio.volume",
        "base/archived-vol.2/file",
      ])
  }

  /// A bucket whose copies of parts end after a while, as those of a call whose time is over; each such copy is counted.
  private static func hasty(_ perCall: Int) -> (bucket: InMemoryBucket, copies: Counts) {
    let counts = Counts()
    var manners = InMemoryBucket.Manners()
    manners.largestCopy = 10
    let bucket = InMemoryBucket(manners) { call, _, isDone in
      guard call == .copyPart else { return nil }
      return counts.count(isDone: isDone, limit: perCall) ? BucketError(.late, "the time is over") : nil
    }
    return (bucket, counts)
  }

  private final class Counts: Sendable {
    private let state = Mutex<(call: Int, done: Int)>((0, 0))
    var done: Int { state.withLock { $0.done } }
    func beginCall() { state.withLock { $0.call = 0 } }
    /// - Returns: whether the call has had its share.
    func count(isDone: Bool, limit: Int) -> Bool {
      state.withLock { state in
        if isDone { state.done += 1 } else { state.call += 1 }
        return !isDone && state.call > limit
      }
    }
  }

  @Test("an object that is too large for one call is archived by several, and no part is copied twice")
  func hugeObject() throws {
    var limits = ObjectVolumeDirectories.CopyLimits()
    (limits.largestCopy, limits.partSize) = (10, 2)
    let (bucket, copies) = Self.hasty(16)
    let content = String((0..<199).map { Character(Unicode.Scalar(UInt8(0x21 + $0 % 90))) })
    let first = ObjectVolumeDirectories(bucket: bucket, prefix: "base".utf8, limits: limits)
    try first.createDirectory(named: "vol", owner: "id")
    bucket.set("base/vol/huge", content)
    var calls = 0
    var failure: VolumeDirectoryError?
    repeat {
      calls += 1
      copies.beginCall()
      let call = ObjectVolumeDirectories(bucket: bucket, prefix: "base".utf8, limits: limits)
      failure = Self.failure { () throws(VolumeDirectoryError) in
        try call.archiveDirectory(named: "vol", owner: "id")
      }
      #expect(failure == nil || bucket.content("base/vol/huge") != nil)
    } while failure != nil && calls < 20
    #expect(calls == 7)
    #expect(copies.done == 100)
    #expect(bucket.content("base/archived-vol/huge") == Array(content.utf8))
    #expect(Self.names(bucket) == ["base/archived-vol/.alluxio.volume", "base/archived-vol/huge"])
    #expect(bucket.uploads.isEmpty)
  }

  @Test(
    "an object that is replaced between two calls is copied anew, and so is one whose upload is gone",
    arguments: [false, true])
  func changedBetween(isUploadGone: Bool) throws {
    var limits = ObjectVolumeDirectories.CopyLimits()
    (limits.largestCopy, limits.partSize) = (10, 2)
    let (bucket, copies) = Self.hasty(16)
    let directories = ObjectVolumeDirectories(bucket: bucket, prefix: "base".utf8, limits: limits)
    try directories.createDirectory(named: "vol", owner: "id")
    bucket.set("base/vol/huge", String(repeating: "a", count: 40))
    #expect(throws: VolumeDirectoryError.self) { try directories.archiveDirectory(named: "vol", owner: "id") }
    if isUploadGone {
      for upload in bucket.uploads { try bucket.abort(upload) }
    } else {
      bucket.set("base/vol/huge", String(repeating: "b", count: 30))
    }
    for _ in 0..<3 {
      copies.beginCall()
      _ = try? directories.archiveDirectory(named: "vol", owner: "id")
    }
    let expected = String(repeating: isUploadGone ? "a" : "b", count: isUploadGone ? 40 : 30)
    #expect(text(bucket, "base/archived-vol/huge") == expected)
    #expect(Self.names(bucket) == ["base/archived-vol/.alluxio.volume", "base/archived-vol/huge"])
    #expect(bucket.uploads.isEmpty)
  }

  private static func failure(_ body: () throws(VolumeDirectoryError) -> Void) -> VolumeDirectoryError? {
    do throws(VolumeDirectoryError) {
      try body()
      return nil
    } catch { return error }
  }

  private func text(_ bucket: InMemoryBucket, _ key: ObjectKey) -> String? {
    bucket.content(key).map { String(decoding: $0, as: UTF8.self) }
  }

  @Test("a note of a copy is read as it was written, and nothing else is one")
  func copyNote() {
    var progress = CopyProgress(uploadID: "u p", source: "40 2 tag")
    progress.tags = [1: EntityTag("a"), 12: EntityTag("b c")]
    let bytes = progress.bytes
    #expect(CopyProgress(bytes) == progress)
    for length in bytes.indices {
      let cut = CopyProgress(Array(bytes.prefix(length)))
      #expect(cut == nil || cut?.tags.count ?? 0 < 2)
    }
    for text in ["", "u", "u\n", "\ns\n", "u\ns\nx a\n", "u\ns\n0 a\n", "u\ns\n1\n"] {
      #expect(CopyProgress(Array(text.utf8)) == nil, "\(text)")
    }
  }

  @Test("large objects are archived in parts, and keys that would become too long are named before anything moves")
  func largeAndLong() throws {
    var limits = ObjectVolumeDirectories.CopyLimits()
    (limits.largestCopy, limits.partSize) = (10, 4)
    var manners = InMemoryBucket.Manners()
    manners.largestCopy = 10
    let bucket = InMemoryBucket(manners)
    let directories = ObjectVolumeDirectories(bucket: bucket, prefix: "base".utf8, limits: limits)
    try directories.createDirectory(named: "vol", owner: "id")
    bucket.set("base/vol/large", "0123456789abc")
    try directories.archiveDirectory(named: "vol", owner: "id")
    #expect(bucket.content("base/archived-vol/large") == Array("0123456789abc".utf8))
    #expect(bucket.requests[.copyPart] == 4)
    try directories.createDirectory(named: "long", owner: "id")
    let key = ObjectKey("base/long/" + String(repeating: "x", count: 1010))
    bucket.set(key)
    #expect(throws: VolumeDirectoryError.keyTooLong) { try directories.archiveDirectory(named: "long", owner: "id") }
    #expect(bucket.content(key) != nil)
  }

  @Test("a long name is cut between characters for its archive")
  func longName() throws {
    let name = FileName(bytes: String(repeating: "é", count: 127).utf8)
    try directories.createDirectory(named: name, owner: "id")
    try directories.archiveDirectory(named: name, owner: "id")
    #expect(names == ["base/archived-\(String(repeating: "é", count: 123))/.alluxio.volume"])
  }

  @Test("memory and requests of a removal: a page in one request, and its thousand keys in another")
  func requests() throws {
    bucket.set("base/vol/.alluxio.volume", "id")
    for number in 0..<20_000 { bucket.set(ObjectKey("base/vol/\(number)")) }
    try directories.removeDirectory(named: "vol", owner: "id")
    #expect(names == [])
    #expect(bucket.requests[.deleteMany, default: 0] <= 24)
    #expect(bucket.requests[.list, default: 0] <= 24)
  }
}
