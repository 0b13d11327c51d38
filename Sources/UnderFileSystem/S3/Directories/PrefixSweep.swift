import ObjectStore
import Synchronization

/// Goes over all keys of a volume's directory, some thousands at a time, until none is left but those that are kept. What
/// was done stays done: the next sweep finds the rest. Memory does not grow with the directory.
struct PrefixSweep: Sendable {
  typealias Object = (key: ObjectKey, version: ObjectVersion)

  let bucket: any ObjectBucket
  let prefix: VolumePrefix
  let work: PrefixWork

  /// Pages that are listed and then handed over together, and requests that are under way at a time.
  static let width = 8
  /// Keys of one DeleteObjects.
  static let batch = 1000
  /// How often it begins anew because keys have appeared behind it, or could not be removed at that moment.
  private static let passes = 5

  /// - Parameter body: moves or removes what it is given. - Returns: what is still there.
  func run(
    keeping kept: Set<ObjectKey>, _ body: ([Object]) throws(VolumeDirectoryError) -> [FailedDeletion]
  ) throws(VolumeDirectoryError) {
    for _ in 0..<Self.passes {
      var window = Window()
      var seen = 0
      var refused: [FailedDeletion] = []
      repeat {
        window = try self.window(after: window.last)
        let objects = window.objects.filter { !kept.contains($0.key) }
        seen += objects.count
        if !objects.isEmpty { refused += try body(objects).filter { !$0.isPassing } }
        // Others may still go, but whoever is refused this often is refused everywhere.
      } while !window.isLast && refused.count < Self.batch
      if let first = refused.first { throw .undeletable(count: refused.count, code: first.code) }
      if seen == 0 { return }
    }
    throw .unsettled
  }

  /// Some pages of the listing.
  private struct Window {
    var objects: [Object] = []
    /// Behind which the next one begins.
    var last: ObjectKey?
    var isLast = false
  }

  /// Listings go on by key, since keys disappear meanwhile and a continuation may not outlive that.
  private func window(after start: ObjectKey?) throws(VolumeDirectoryError) -> Window {
    var window = Window(last: start)
    var request = ListRequest(prefix: prefix.key)
    request.isDelimited = false
    for _ in 0..<Self.width {
      if request.continuation == nil { request.startAfter = window.last }
      let page = try work.asking("list its keys") { () throws(BucketError) in try bucket.list(request) }
      guard page.objects.allSatisfy({ prefix.holds($0.key) }) else { throw .strayKey }
      window.objects += page.objects
      guard let continuation = page.continuation else {
        window.isLast = true
        return window
      }
      // An empty page, or a service that begins anew whatever the key.
      let last = page.objects.last?.key
      let hasAdvanced = last.map { last in window.last.map { $0 < last } ?? true } ?? false
      if hasAdvanced { window.last = last }
      request.continuation = hasAdvanced ? nil : continuation
    }
    window.isLast = window.last == start
    return window
  }

  /// Removes keys of this prefix and no others.
  /// - Returns: what is still there.
  func delete(_ keys: [ObjectKey]) throws(VolumeDirectoryError) -> [FailedDeletion] {
    guard keys.allSatisfy(prefix.holds) else { throw .strayKey }
    let left = Mutex<[FailedDeletion]>([])
    let count = (keys.count + Self.batch - 1) / Self.batch
    try work.asking("delete its keys", times: count, width: Self.width) { [bucket, work] index throws(BucketError) in
      let batch = Array(keys[(index * Self.batch)..<min(keys.count, (index + 1) * Self.batch)])
      let refused = try bucket.delete(batch)
      work.add(batch.count - refused.count)
      left.withLock { $0 += refused }
    }
    return left.withLock { $0 }
  }

  /// Ends uploads that were begun beneath the prefix and are not over: their parts take room that nobody sees.
  func abortUploads() throws(VolumeDirectoryError) {
    var marker: UploadPage.Marker?
    repeat {
      let page: UploadPage
      do throws(VolumeDirectoryError) {
        page = try work.asking("list its uploads") { () throws(BucketError) in
          try bucket.listUploads(prefix: prefix.key, after: marker)
        }
      } catch .store(let error, _) where error.kind == .unsupported || error.kind == .notFound {
        // A service without such a list.
        return
      }
      // Some services list all that the bucket has.
      let own = page.uploads.filter { prefix.holds($0.key) }
      try work.asking("abort its uploads", times: own.count, width: Self.width) { [bucket] index throws(BucketError) in
        try bucket.abort(ObjectUpload(key: own[index].key, uploadID: own[index].uploadID))
      }
      marker = page.next == marker ? nil : page.next
    } while marker != nil
  }
}
