import LinuxSystem
import SystemPackage
import UnderFileSystem

/// Serves reads of one version of a file from memory, from the page store, and from ranges that it asks for or that
/// others have asked for already. Its lock is held for moments only: never while bytes are copied, nor while the page store,
/// the pool or the under file system is called, but to give back the right to bring a page.
///
/// It lives as long as somebody holds its bytes, and asks for nothing more once it is closed.
final class FileReader: @unchecked Sendable {
  // SAFETY (Sendable): everything below `monitor` is read and written only while it is locked.
  let file: any RangedFile
  let version: ContentVersion
  let grid: PageGrid
  let pool: BufferPool
  let pages: (any CachedPages)?
  let loans: PageLoans
  let counters: ReadCounters
  /// Nil where the page store is this worker's own.
  let proofs: ReadProofs?

  let monitor = Monitor()
  let arrival: Condition
  var buffers: [Int64: PageBuffer] = [:]
  var window: ReadAheadWindow
  /// Under way.
  var fetches: [RangeFetch] = []
  /// The version is gone from the under file system.
  var isGone = false
  var isClosed = false
  var tick: UInt64 = 0
  /// Readers that wait for bytes.
  var waiting = 0

  init(_ file: any RangedFile, _ version: ContentVersion, _ reading: FileReading.Parts) {
    self.file = file
    self.version = version
    pool = reading.pool
    loans = reading.loans
    counters = reading.counters
    proofs = reading.proofs
    grid = PageGrid(size: version.size, pageSize: pool.cellSize)
    pages = reading.cache?.pages(of: version)
    arrival = Condition(of: monitor)
    var limits = reading.limits
    limits.unit = min(limits.unit, Int64(pool.cellSize))
    window = ReadAheadWindow(size: version.size, limits: limits)
  }

  /// - Parameter buffer: used for what is not in memory.
  /// - Returns: as many bytes as fit into the buffer; fewer only at the end of the file.
  func answer(into buffer: inout MutableRawSpan, at offset: Int64) throws(Errno) -> ReadAnswer {
    guard offset >= 0 else { throw .malformedRequest }
    guard offset < grid.size else { return .copied(0) }
    let range = offset..<offset + min(grid.size - offset, Int64(buffer.byteCount))
    guard !range.isEmpty else { return .copied(0) }
    var request = ReadRequest(range: range, advice: advice(for: range), lent: LentBytes(self))
    var done = offset
    while done < range.upperBound {
      let part = done..<min(range.upperBound, grid.end(of: grid.page(at: done)))
      try read(part, of: &request, into: &buffer)
      done = part.upperBound
    }
    if let ahead = request.advice.ahead { readAhead(ahead, request.advice.request) }
    guard request.isCopied else { return .lent(request.lent) }
    request.lent.move(into: &buffer, from: offset)
    return .copied(range.count)
  }

  private func advice(for range: Range<Int64>) -> ReadAheadWindow.Advice {
    let limit = grid.size > window.limits.smallFile ? Int64(pool.share) : 0
    let (advice, dropped) = monitor.locked { () -> (ReadAheadWindow.Advice, [any RangeTransfer]) in
      let advice = window.read(range, limit: limit)
      return (advice, advice.abandoned.map { abandon($0) } ?? [])
    }
    for transfer in dropped { transfer.cancel() }
    return advice
  }

  /// One page's part of a read.
  private func read(
    _ part: Range<Int64>, of request: inout ReadRequest, into buffer: inout MutableRawSpan
  ) throws(Errno) {
    let target = Int(part.lowerBound - request.range.lowerBound)..<Int(part.upperBound - request.range.lowerBound)
    var hasAskedPages = pages == nil
    var hasWaited = false
    while true {
      switch take(part, own: request.own, hasWaited: &hasWaited) {
      case .here(let page):
        request.lent.add(page, part)
        counters.bytesFromMemory.count(part.count)
        if hasWaited { counters.misses.count() } else { counters.hits.count() }
        return
      case .failed(let error): throw error
      case .absent(let isGone):
        // What others may need room of is not kept while this one waits for room.
        if request.lent.byteCount > 0 {
          request.lent.move(into: &buffer, from: request.range.lowerBound)
          request.isCopied = true
        }
        if !hasAskedPages {
          hasAskedPages = true
          if try readPages(part.lowerBound, into: &buffer, target) {
            request.isCopied = true
            return
          }
        }
        if isGone { throw .versionGone }
        hasWaited = true
        if try demand(part, &request) == .otherWorker {
          hasAskedPages = false
          continue
        }
        if let ahead = request.advice.ahead {
          request.advice.ahead = nil
          readAhead(ahead, request.advice.request)
        }
      }
    }
  }

  /// The under file system has no such version any more, as far as it was asked.
  var isStale: Bool { monitor.locked { isGone } }
  /// Some of it is in memory, or on its way there.
  var holdsBytes: Bool { monitor.locked { !buffers.isEmpty } }

  /// What others keep is for those who have shown that they may read it.
  var mayReadPages: Bool { proofs?.hold(version) ?? true }

  /// Reads from the page store. - Returns: whether it has the bytes.
  private func readPages(
    _ offset: Int64, into buffer: inout MutableRawSpan, _ target: Range<Int>
  ) throws(Errno) -> Bool {
    guard let pages, mayReadPages else { return false }
    let isThere: Bool
    if target.count == buffer.byteCount {
      isThere = pages.read(into: &buffer, at: offset)
    } else {
      isThere = try buffer.withPart(target) { (part) throws(Errno) in pages.read(into: &part, at: offset) }
    }
    guard isThere else { return false }
    counters.hits.count()
    counters.bytesFromPageStore.count(target.count)
    return true
  }
}

/// One read and what was found out about it.
struct ReadRequest {
  let range: Range<Int64>
  var advice: ReadAheadWindow.Advice
  /// What this read has asked for last: it may have failed before anybody waited for it.
  var own: RangeFetch?
  /// Parts that are in memory, and whether others, or these before, went into the buffer.
  let lent: LentBytes
  var isCopied = false
  /// Until then a page is waited for that another worker brings; nil: none was met yet.
  var othersLimit: Deadline?
}

// MARK: - Memory

extension FileReader {
  private enum Taken {
    /// In memory; the reader counts as its user until it says `finished`.
    case here(PageBuffer)
    /// Not in memory and not on its way.
    case absent(isGone: Bool)
    case failed(Errno)
  }

  /// Looks for the part in memory, and waits for it where it is on its way.
  private func take(_ part: Range<Int64>, own: RangeFetch?, hasWaited: inout Bool) -> Taken {
    let page = grid.page(at: part.lowerBound)
    let wanted = grid.mask(part, in: page)
    var waited = false
    let taken: Taken = monitor.locked {
      while true {
        guard let buffer = buffers[page] else { return absent(part, own) }
        let missing = wanted & ~buffer.present
        if missing == 0 {
          buffer.users += 1
          tick += 1
          buffer.lastUse = tick
          return .here(buffer)
        }
        if missing & ~buffer.requested != 0 { return absent(part, own) }
        // Cancelled ones are asked for again when they have ended.
        let first = grid.offset(of: missing.trailingZeroBitCount, in: page)
        guard let fetch = fetches.first(where: { $0.range.contains(first) }) else { return absent(part, own) }
        waited = true
        if let error = wait(for: missing, in: buffer, of: fetch) { return .failed(error) }
      }
    }
    hasWaited = hasWaited || waited
    return taken
  }

  /// With the lock held.
  private func absent(_ part: Range<Int64>, _ own: RangeFetch?) -> Taken {
    if let own, own.isDone, !own.isCancelled, let error = own.error, own.range.overlaps(part) { return .failed(error) }
    return .absent(isGone: isGone)
  }

  /// Until the grains are there or their fetch has ended. With the lock held. - Returns: why they will not come.
  private func wait(for missing: UInt64, in buffer: PageBuffer, of fetch: RangeFetch) -> Errno? {
    buffer.users += 1
    waiting += 1
    while missing & ~buffer.present != 0, !fetch.isDone, !pool.isEnding {
      // Bytes come in order: it is enough to be woken for the last grain.
      buffer.awaited |= 1 << UInt64(63 - missing.leadingZeroBitCount)
      arrival.wait()
    }
    waiting -= 1
    buffer.users -= 1
    if missing & ~buffer.present == 0 { return nil }
    if !fetch.isDone { return .leftToNextWorker }
    let error = fetch.isCancelled ? nil : fetch.error
    if buffer.present == 0, buffer.isIdle { drop(buffer) } else { settle(buffer) }
    return error
  }

  /// A reader has what it wanted of the buffer.
  func finished(_ part: Range<Int64>, of buffer: PageBuffer) {
    monitor.locked {
      buffer.users -= 1
      buffer.ahead &= ~grid.mask(part, in: buffer.page)
      // Of a grain at the end of the part the rest may still be wanted.
      let start = grid.start(of: buffer.page)
      let first = start + (part.lowerBound - start) / Int64(grid.grain) * Int64(grid.grain)
      buffer.consumed |= grid.inner(first..<part.upperBound, of: buffer.page)
      settle(buffer)
    }
  }

  /// Lets go of a buffer that nobody uses when all of it was read, or when others wait for room. With the lock held.
  func settle(_ buffer: PageBuffer) {
    guard buffer.isIdle else { return }
    let all = grid.all(of: buffer.page)
    let isRead = buffer.consumed & all == all
    if isClosed || isRead || pool.isWanted { drop(buffer) }
  }

  /// Forgets an idle buffer. With the lock held.
  func drop(_ buffer: PageBuffer) {
    guard buffers[buffer.page] === buffer else { return }
    let unread = buffer.isOffered ? 0 : buffer.ahead & buffer.present
    if unread != 0 { counters.readAheadWasted.count(unread.nonzeroBitCount * grid.grain) }
    buffers[buffer.page] = nil
    buffer.right = nil
    pool.release(buffer.cell, of: self)
  }
}
