import ObjectStore
import Synchronization
import SystemPackage
import VolumeModel

/// Archiving: the service copies each object to the archive's prefix, and then the source goes. A note in the source says
/// which archive it is, from before the first copy to the last step, so that whoever repeats it goes on there.
extension ObjectVolumeDirectories {
  /// Objects that are copied at a time.
  private static let width = 16

  package func archiveDirectory(named name: FileName, owner volumeID: String) throws(VolumeDirectoryError) {
    let source = try prefix(name)
    guard try isOwned(source, by: volumeID) else { return }
    let target = try archive(of: source, name, volumeID)
    let sweep = sweep(of: source)
    try sweep.abortUploads()
    try sweep.run(keeping: [source.owner, source.note]) { objects throws(VolumeDirectoryError) in
      var left: [FailedDeletion] = []
      for start in stride(from: 0, to: objects.count, by: PrefixSweep.batch) {
        let batch = Array(objects[start..<min(objects.count, start + PrefixSweep.batch)])
        left += try move(batch, sweep, to: target)
      }
      return left
    }
    // Copies in parts that an earlier attempt left.
    let archive = self.sweep(of: target)
    try archive.abortUploads()
    _ = try archive.delete(try keys(beneath: target.copyNotes))
    try remove(source.owner)
    try remove(source.note)
  }

  private func move(
    _ objects: [PrefixSweep.Object], _ sweep: PrefixSweep, to target: VolumePrefix
  ) throws(VolumeDirectoryError) -> [FailedDeletion] {
    let source = sweep.prefix
    guard objects.allSatisfy({ target.moved($0.key, from: source).bytes.count <= ObjectKey.longest }) else {
      throw .keyTooLong
    }
    let copied = Mutex<[ObjectKey]>([])
    try work.asking("copy its objects", times: objects.count, width: Self.width) {
      [bucket, limits, work] index throws(BucketError) in
      let (key, version) = objects[index]
      let goal = target.moved(key, from: source)
      do throws(BucketError) {
        if version.size > limits.largestCopy {
          try ResumableCopy(
            bucket: bucket, work: work, version: version, partSize: limits.partSize, note: target.copyNote(of: key)
          ).run(key, to: goal)
        } else {
          _ = try bucket.copy(key, ifMatch: version.entityTag, to: goal, ifAbsent: false)
        }
        copied.withLock { $0.append(key) }
      } catch  where error.kind == .notFound || error.kind == .precondition {
        // Gone or replaced since it was listed: the next pass sees what there is.
      }
    }
    return try sweep.delete(copied.withLock { $0 })
  }

  // MARK: The archive's place

  /// What a note says: the number of the archive, and whose directory it is.
  struct Note {
    var number: Int
    var volumeID: String
  }

  /// nil where there is none, or none of this driver's.
  func note(of place: VolumePrefix) throws(VolumeDirectoryError) -> Note? {
    guard let text = try text(of: place.note) else { return nil }
    let parts = text.split(separator: " ", maxSplits: 1)
    guard parts.count == 2, let number = Int(parts[0]), number >= 0 else { return nil }
    return Note(number: number, volumeID: String(parts[1]))
  }

  /// The archive that an earlier attempt has begun, or the first whose name is free.
  private func archive(
    of source: VolumePrefix, _ name: FileName, _ volumeID: String
  ) throws(VolumeDirectoryError) -> VolumePrefix {
    var first = 0
    if let note = try note(of: source), PathComponents.same(note.volumeID, volumeID) {
      let target = try prefix(name.archived(note.number))
      if try isMade(target, for: volumeID) { return target }
      first = note.number
    }
    for number in first..<(first + 10_000) {
      let target = try prefix(name.archived(number))
      guard try isFree(target) else { continue }
      try work.asking("note where it is archived") { () throws(BucketError) in
        _ = try bucket.put(source.note, .bytes(Array("\(number) \(volumeID)".utf8)), ifAbsent: false)
      }
      if try isMade(target, for: volumeID) { return target }
    }
    throw .store(BucketError(.other, "too many archives of one name"), operation: "look for a free name")
  }

  private func isFree(_ target: VolumePrefix) throws(VolumeDirectoryError) -> Bool {
    if try isThere(target) { return false }
    return try !isFile(target)
  }

  /// Makes the archive's directory; false where somebody else has taken the name. The note stands before it does, and the
  /// name was free then: what has this owner's marker is this archive.
  private func isMade(_ target: VolumePrefix, for volumeID: String) throws(VolumeDirectoryError) -> Bool {
    do throws(VolumeDirectoryError) {
      if try !isOwned(target, by: volumeID) { _ = try claim(target, for: volumeID) }
      return true
    } catch .foreignOwner(_) {
      return false
    }
  }
}
