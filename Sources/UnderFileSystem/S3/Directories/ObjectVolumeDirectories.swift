import LinuxSystem
import ObjectStore
import SystemPackage
import VolumeModel

/// Volume directories of an s3:// or oss:// UFS: prefixes beneath a prefix. What makes one is its owner's marker, the first
/// object that is there and the last that goes. An empty `name/` beside it would say no more, and gateways that keep
/// objects as files have no place for both.
package final class ObjectVolumeDirectories: VolumeDirectories {
  let bucket: any ObjectBucket
  let work: PrefixWork
  private let base: [UInt8]
  let limits: CopyLimits

  /// - Parameters:
  ///   - prefix: beneath which volumes lie, with or without a slash at its end.
  ///   - work: bounds everything that is done with this object.
  package init(
    bucket: any ObjectBucket, prefix: some Sequence<UInt8>, work: PrefixWork = PrefixWork(),
    limits: CopyLimits = CopyLimits()
  ) {
    self.bucket = bucket
    self.work = work
    self.limits = limits
    var base = Array(prefix)
    if let last = base.last, last != 0x2F { base.append(0x2F) }
    self.base = base
  }

  /// How objects are copied.
  package struct CopyLimits: Sendable {
    /// In bytes: what is larger than the first is copied in parts of the second, side by side.
    package var largestCopy: Int64 = 5 << 30
    package var partSize: Int64 = 256 << 20

    package init() {}
  }

  @discardableResult
  package func createDirectory(named name: FileName, owner volumeID: String) throws(VolumeDirectoryError) -> Bool {
    let place = try prefix(name)
    if try isOwned(place, by: volumeID) { return false }
    if try isFile(place) { throw .notADirectory }
    return try claim(place, for: volumeID)
  }

  package func hasDirectory(named name: FileName, owner volumeID: String) throws(VolumeDirectoryError) -> Bool {
    try isOwned(try prefix(name), by: volumeID)
  }

  package func removeDirectory(named name: FileName, owner volumeID: String) throws(VolumeDirectoryError) {
    let place = try prefix(name)
    guard try isOwned(place, by: volumeID) else { return }
    let sweep = sweep(of: place)
    try sweep.abortUploads()
    // As long as the marker is there, whoever repeats this knows whose the rest is.
    try sweep.run(keeping: [place.owner]) { objects throws(VolumeDirectoryError) in
      try sweep.delete(objects.map(\.key))
    }
    try remove(place.owner)
  }

  /// Nobody says how much a bucket takes.
  package func availableCapacity() throws(VolumeDirectoryError) -> UInt64 { .max }

  // MARK: Prefixes and markers

  /// - Throws: `.badName` for what is no name of a directory, or one that keys have no room for.
  func prefix(_ name: FileName) throws(VolumeDirectoryError) -> VolumePrefix {
    do { try name.check() } catch { throw .badName(name) }
    let place = VolumePrefix(base: base, name: name)
    guard ObjectKeys.isText(name.bytes), place.note.bytes.count <= ObjectKey.longest else { throw .badName(name) }
    return place
  }

  func sweep(of place: VolumePrefix) -> PrefixSweep { PrefixSweep(bucket: bucket, prefix: place, work: work) }

  /// Whether the directory is there and belongs to the volume. - Throws: when it belongs to anybody else.
  func isOwned(_ place: VolumePrefix, by volumeID: String) throws(VolumeDirectoryError) -> Bool {
    var found = try text(of: place.owner)
    if found == nil {
      guard try isThere(place) else { return false }
      // Its archiving lacks the last step.
      found = try note(of: place)?.volumeID
    }
    guard let found, !found.isEmpty else { throw .foreignOwner(found: nil) }
    guard PathComponents.same(found, volumeID) else { throw .foreignOwner(found: found) }
    return true
  }

  /// Whether any key makes the directory.
  func isThere(_ place: VolumePrefix) throws(VolumeDirectoryError) -> Bool { try first(beneath: place.key) != nil }

  /// Whether an object has the directory's name, which nobody could reach beside it.
  func isFile(_ place: VolumePrefix) throws(VolumeDirectoryError) -> Bool {
    try first(beneath: place.file)?.key == place.file
  }

  /// Writes the owner's marker where there is none.
  /// - Returns: false where it was there, this owner's.
  func claim(_ place: VolumePrefix, for volumeID: String) throws(VolumeDirectoryError) -> Bool {
    let body = ObjectBody.bytes(Array(volumeID.utf8))
    do throws(VolumeDirectoryError) {
      try work.asking("write its owner marker") { () throws(BucketError) in
        do throws(BucketError) {
          _ = try bucket.put(place.owner, body, ifAbsent: true)
        } catch  where error.kind == .unsupported {
          // A service without the condition; there was a look before.
          _ = try bucket.put(place.owner, body, ifAbsent: false)
        }
      }
      return true
    } catch .store(let error, let operation) {
      // Somebody else made it meanwhile: another attempt for this volume, or another volume.
      if error.kind == .precondition, try isOwned(place, by: volumeID) { return false }
      throw .store(error, operation: operation)
    }
  }

  func remove(_ key: ObjectKey) throws(VolumeDirectoryError) {
    try work.asking("delete its marker") { () throws(BucketError) in try bucket.delete(key) }
    work.add(1)
  }

  /// The first key that begins so.
  private func first(beneath prefix: ObjectKey) throws(VolumeDirectoryError) -> PrefixSweep.Object? {
    var request = ListRequest(prefix: prefix)
    request.isDelimited = false
    request.limit = 1
    let page = try work.asking("look for its directory") { () throws(BucketError) in try bucket.list(request) }
    guard let first = page.objects.first else { return nil }
    guard first.key.bytes.starts(with: prefix.bytes) else { throw .strayKey }
    return first
  }

  /// The first thousand.
  func keys(beneath prefix: ObjectKey) throws(VolumeDirectoryError) -> [ObjectKey] {
    var request = ListRequest(prefix: prefix)
    request.isDelimited = false
    let page = try work.asking("list its notes") { () throws(BucketError) in try bucket.list(request) }
    guard page.objects.allSatisfy({ $0.key.bytes.starts(with: prefix.bytes) }) else { throw .strayKey }
    return page.objects.map(\.key)
  }

  /// The text of a small object; nil where there is none, empty for what is none of this driver's.
  func text(of key: ObjectKey) throws(VolumeDirectoryError) -> String? {
    // It may be replaced between the look and the read.
    for attempt in 1... {
      guard let found = try first(beneath: key), found.key == key else { return nil }
      guard (1...Self.longestText).contains(found.version.size) else { return "" }
      do throws(VolumeDirectoryError) {
        let bytes = try work.asking("read its owner marker") { () throws(BucketError) in
          let sink = SmallObject()
          _ = bucket.read(key, range: 0..<found.version.size, ifMatch: found.version.entityTag, into: sink)
          return try sink.wait()
        }
        return String(validating: bytes, as: UTF8.self) ?? ""
      } catch .store(let error, let operation) {
        let isOther = [.notFound, .precondition, .range].contains(error.kind)
        guard isOther, attempt < 3 else { throw .store(error, operation: operation) }
      }
    }
    return nil
  }

  /// Bytes; volume ids have at most 128.
  private static let longestText: Int64 = 4096
}
