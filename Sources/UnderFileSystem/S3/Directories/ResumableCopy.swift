import ObjectStore
import SystemPackage

/// Copies one large object in parts, over as many calls as it takes: a hidden object beside the copy notes the upload and the
/// parts that it has. A call that ends, or dies, costs the parts since the last note.
struct ResumableCopy: Sendable {
  let bucket: any ObjectBucket
  let work: PrefixWork
  /// Of the source; another one is not copied.
  let version: ObjectVersion
  /// Bytes of a part.
  let partSize: Int64
  let note: ObjectKey

  /// Parts that are under way at a time, and those that are copied from one note to the next.
  private static let width = 8

  /// - Throws: `.late` where the call's time is over: the next one goes on. `.notFound` and `.precondition` where the source
  ///   is another one now, or the upload is gone: what was noted is forgotten.
  func run(_ source: ObjectKey, to target: ObjectKey) throws(BucketError) {
    let known = try load()
    var progress = if let known { known } else { try begin(target) }
    let upload = ObjectUpload(key: target, uploadID: progress.uploadID)
    do throws(BucketError) {
      while true {
        let missing = (0..<partCount).lazy.filter { progress.tags[$0 + 1] == nil }.prefix(Self.width)
        if missing.isEmpty { break }
        if work.isOver { throw BucketError(.late, "the time is over") }
        for (number, tag) in try copy(Array(missing), of: upload, from: source) { progress.tags[number] = tag }
        try save(progress)
      }
      try complete(upload, progress)
    } catch  where error.kind == .notFound || error.kind == .precondition {
      try? bucket.abort(upload)
      try? bucket.delete(note)
      throw error
    }
    try bucket.delete(note)
  }

  private var partCount: Int { Int((version.size + partSize - 1) / partSize) }

  private func begin(_ target: ObjectKey) throws(BucketError) -> CopyProgress {
    let progress = CopyProgress(uploadID: try bucket.createUpload(target), source: sourceLine)
    try save(progress)
    return progress
  }

  private func copy(
    _ parts: [Int], of upload: ObjectUpload, from source: ObjectKey
  ) throws(BucketError) -> [(number: Int, tag: EntityTag)] {
    let done = PartList()
    let (bucket, version, partSize) = (bucket, version, partSize)
    do throws(Errno) {
      try ParallelCalls.run(parts.count, width: Self.width) { index throws(Errno) in
        let start = Int64(parts[index]) * partSize
        do throws(BucketError) {
          let tag = try bucket.copyPart(
            parts[index] + 1, of: upload, from: source, range: start..<min(version.size, start + partSize),
            ifMatch: version.entityTag)
          done.add(parts[index] + 1, tag)
        } catch {
          done.fail(error)
          throw error.errno
        }
      }
    } catch { throw done.failure ?? BucketError(.other, "a copy failed: \(error)") }
    return done.sorted
  }

  private func complete(_ upload: ObjectUpload, _ progress: CopyProgress) throws(BucketError) {
    let parts = progress.tags.sorted { $0.key < $1.key }.map { (number: $0.key, tag: $0.value) }
    do throws(BucketError) { _ = try bucket.complete(upload, parts: parts, ifAbsent: false) } catch {
      // A call before may have completed it and died.
      guard error.kind == .notFound, (try? bucket.head(upload.key).size) == version.size else { throw error }
    }
  }

  // MARK: The note

  private var sourceLine: String { "\(version.size) \(partSize) \(version.entityTag.value)" }

  /// What a call before has noted of this version; nil: nothing.
  private func load() throws(BucketError) -> CopyProgress? {
    let found: ObjectVersion
    do throws(BucketError) { found = try bucket.head(note) } catch {
      if error.kind == .notFound { return nil }
      throw error
    }
    guard (1...CopyProgress.longest).contains(found.size) else { return nil }
    let sink = SmallObject()
    _ = bucket.read(note, range: 0..<found.size, ifMatch: found.entityTag, into: sink)
    guard let progress = CopyProgress(try sink.wait()), progress.source == sourceLine,
      progress.tags.keys.allSatisfy({ (1...partCount).contains($0) })
    else { return nil }
    return progress
  }

  private func save(_ progress: CopyProgress) throws(BucketError) {
    _ = try bucket.put(note, .bytes(progress.bytes), ifAbsent: false)
  }
}

/// What a note says: lines of the upload, of the source, and of each part that is there.
struct CopyProgress: Sendable, Equatable {
  let uploadID: String
  /// Another source, or other parts, is another copy.
  let source: String
  /// By number from 1.
  var tags: [Int: EntityTag] = [:]

  /// Bytes: there are 10,000 parts at most.
  static let longest: Int64 = 1 << 20

  init(uploadID: String, source: String) {
    self.uploadID = uploadID
    self.source = source
  }

  /// nil for what is no note.
  init?(_ bytes: [UInt8]) {
    guard let text = String(validating: bytes, as: UTF8.self) else { return nil }
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    // The last line is empty: one that was cut is no note.
    guard lines.count >= 3, lines.last == "", !lines[0].isEmpty else { return nil }
    self.init(uploadID: String(lines[0]), source: String(lines[1]))
    for line in lines[2...].dropLast() {
      let parts = line.split(separator: " ", maxSplits: 1)
      guard parts.count == 2, let number = Int(parts[0]), number > 0 else { return nil }
      tags[number] = EntityTag(String(parts[1]))
    }
  }

  var bytes: [UInt8] {
    var lines = [uploadID, source]
    lines += tags.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value.value)" }
    return Array((lines.joined(separator: "\n") + "\n").utf8)
  }
}
