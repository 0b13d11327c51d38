import LinuxSystem
import SystemPackage
import UnderFileSystem

// MARK: - Asking

extension FileReader {
  /// What comes of a demand.
  enum Demanded {
    case asked
    /// Another worker of this node was bringing the page, and has ended that.
    case otherWorker
  }

  /// Asks for the part of a read that is neither in memory nor on its way, and for what the advice adds, if there is room
  /// for that. Waits for room, and for another worker that brings the page.
  func demand(_ part: Range<Int64>, _ request: inout ReadRequest) throws(Errno) -> Demanded {
    let page = grid.page(at: part.lowerBound)
    if !mayReadPages, pages?.contains(page: page) ?? false {
      // What is asked for shows that the rest may be read as well.
      _ = try ask(for: part, within: grid.aligned(part), waits: true, &request)
      return .asked
    }
    var wish = max(grid.start(of: page), min(part.lowerBound, request.advice.demand.lowerBound))..<part.upperBound
    // What follows, as far as the page store has it not.
    var end = request.advice.demand.upperBound
    if let ahead = request.advice.ahead, ahead.lowerBound <= end {
      end = max(end, min(ahead.upperBound, wish.lowerBound + request.advice.request))
    }
    end = max(end, request.range.upperBound)
    wish = wish.lowerBound..<upperBound(from: page, upTo: max(part.upperBound, end))
    if request.advice.pattern == .random, isAskedAgain(page) {
      wish = grid.start(of: page)..<grid.end(of: page)
      request.advice.ahead = request.advice.ahead ?? wish
    }
    let run = claimed(of: part, within: grid.aligned(wish))
    if let arrival = run.elsewhere {
      if mayReadPages, try wait(for: arrival, &request) { return .otherWorker }
    } else if try ask(for: part, within: run.wish, waits: false, &request, run.rights) {
      return .asked
    }
    _ = try ask(for: part, within: grid.aligned(part), waits: true, &request)
    return .asked
  }

  /// Whether a random read finds part of its page in memory: another one was here before, and a whole page can be kept.
  private func isAskedAgain(_ page: Int64) -> Bool {
    guard pages != nil else { return false }
    return monitor.locked { buffers[page].map { $0.present != 0 } ?? false }
  }

  /// The end of what the page store lacks, from the end of `page` on.
  private func upperBound(from page: Int64, upTo end: Int64) -> Int64 {
    var next = page + 1
    while grid.start(of: next) < end {
      if pages?.contains(page: next) ?? false { return grid.start(of: next) }
      next += 1
    }
    return min(end, grid.size)
  }

  /// Asks for the first run of bytes that the part lacks, longer on both sides within `wish`.
  /// - Parameter waits: for room.
  /// - Returns: false when there is no room; true also when nothing is missing any more.
  private func ask(
    for part: Range<Int64>, within wish: Range<Int64>, waits: Bool, _ request: inout ReadRequest,
    _ rights: PageRights = [:]
  ) throws(Errno) -> Bool {
    let bytes = monitor.locked { missingRun(of: part, within: wish).map { newBytes($0) } }
    guard let bytes else { return true }
    if waits {
      switch pool.reserve(bytes, for: self) {
      case .granted: break
      case .refused: throw .noMemory
      case .ended: throw .leftToNextWorker
      }
    } else if !pool.tryReserve(bytes, for: self, isAhead: false) {
      if pool.isEnding { throw .leftToNextWorker }
      return false
    }
    request.own = start(room: bytes, isAhead: false, rights) { missingRun(of: part, within: wish) }
    // Nobody reads a file that is closed.
    if monitor.locked({ isClosed }) { throw .leftToNextWorker }
    return true
  }

  /// Asks for what is missing of a range before anybody wants it, in requests of that many bytes, as far as there is room.
  func readAhead(_ range: Range<Int64>, _ request: Int64) {
    var offset = range.lowerBound
    while offset < range.upperBound {
      let page = grid.page(at: offset)
      if pages?.contains(page: page) ?? false {
        offset = grid.end(of: page)
        continue
      }
      let wish = grid.aligned(offset..<upperBound(from: page, upTo: min(range.upperBound, offset + request)))
      let claims = claimed(of: wish, within: wish)
      if claims.elsewhere != nil {
        // Who comes to it finds it, or waits for it.
        offset = grid.end(of: page)
        continue
      }
      let rest = claims.wish
      let (run, bytes) = monitor.locked { () -> (Range<Int64>?, Int) in
        guard !isGone, !isClosed, let run = missingRun(of: rest, within: rest) else { return (nil, 0) }
        return (run, newBytes(run))
      }
      guard let run else {
        offset = rest.upperBound
        continue
      }
      guard pool.tryReserve(bytes, for: self, isAhead: true) else {
        monitor.locked { window.notAsked(from: run.lowerBound, of: range) }
        return
      }
      start(room: bytes, isAhead: true, claims.rights) { missingRun(of: run, within: run) }
      offset = run.upperBound
    }
  }

  /// Starts a fetch of the run that `find` names under the lock.
  /// - Parameter room: reserved for it; what it does not need is given back.
  @discardableResult
  private func start(
    room: Int, isAhead: Bool, _ rights: PageRights = [:], _ find: () -> Range<Int64>?
  ) -> RangeFetch? {
    var left = room
    let fetch: RangeFetch? = monitor.locked {
      guard var run = find(), !isClosed, !pool.isEnding else { return nil }
      // Somebody may have dropped a buffer meanwhile: as far as the room goes.
      while newBytes(run) > room {
        let shorter = (run.upperBound - 1) / Int64(grid.grain) * Int64(grid.grain)
        guard shorter > run.lowerBound else { return nil }
        run = run.lowerBound..<shorter
      }
      left -= newBytes(run)
      return makeFetch(run, isAhead: isAhead, rights)
    }
    pool.giveBack(left, of: self)
    guard let fetch else { return nil }
    counters.fetches.count()
    let transfer = file.fetch(fetch.range, of: version, into: fetch)
    let isCancelled = monitor.locked {
      if !fetch.isDone { fetch.transfer = transfer }
      return fetch.isCancelled
    }
    if isCancelled { transfer.cancel() }
    return fetch
  }

  /// Room is there. With the lock held.
  private func makeFetch(_ run: Range<Int64>, isAhead: Bool, _ rights: PageRights) -> RangeFetch {
    var parts: [PageBuffer] = []
    for page in grid.pages(run) {
      let mask = grid.mask(run, in: page)
      let buffer: PageBuffer
      if let present = buffers[page] {
        buffer = present
        let new = mask & ~buffer.assigned
        if new != 0 { _ = pool.assign(new, to: buffer.cell) }
      } else {
        buffer = PageBuffer(page: page, cell: pool.assign(mask, to: nil))
        buffers[page] = buffer
      }
      buffer.assigned |= mask
      buffer.requested |= mask
      if isAhead { buffer.ahead |= mask }
      if let right = rights[page], grid.all(of: page) & ~(buffer.present | buffer.requested) == 0 {
        buffer.right = right
      }
      tick += 1
      buffer.lastUse = tick
      parts.append(buffer)
    }
    let fetch = RangeFetch(run, into: parts, of: self)
    fetch.question = proofs?.question()
    fetches.append(fetch)
    return fetch
  }
}

// MARK: - What is missing

extension FileReader {
  /// Whether the grain at the offset is neither here nor on its way. With the lock held.
  private func isMissing(_ offset: Int64) -> Bool {
    let page = grid.page(at: offset)
    guard let buffer = buffers[page] else { return true }
    let bit: UInt64 = 1 << UInt64(Int(offset - grid.start(of: page)) / grid.grain)
    return (buffer.present | buffer.requested) & bit == 0
  }

  /// The run of missing grains around the first one of `part` that is missing, within `wish`, which consists of whole
  /// grains and holds it. With the lock held.
  func missingRun(of part: Range<Int64>, within wish: Range<Int64>) -> Range<Int64>? {
    let grain = Int64(grid.grain)
    var lower = part.lowerBound / grain * grain
    while lower < part.upperBound, !isMissing(lower) { lower += grain }
    guard lower < part.upperBound else { return nil }
    var upper = min(grid.size, lower + grain)
    while upper < wish.upperBound, isMissing(upper) { upper = min(grid.size, upper + grain) }
    while lower > wish.lowerBound, isMissing(lower - grain) { lower -= grain }
    return lower..<upper
  }

  /// Room that a run needs beyond what its buffers have. With the lock held.
  private func newBytes(_ run: Range<Int64>) -> Int {
    var count = 0
    for page in grid.pages(run) {
      count += (grid.mask(run, in: page) & ~(buffers[page]?.assigned ?? 0)).nonzeroBitCount
    }
    return count * grid.grain
  }
}
