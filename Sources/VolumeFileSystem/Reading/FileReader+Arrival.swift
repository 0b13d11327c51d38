import LinuxSystem
import SystemPackage
import UnderFileSystem

// MARK: - Bytes that come

extension FileReader {
  /// Bytes of a fetch were put into the buffer. - Returns: whether no more are wanted.
  func arrived(_ fetch: RangeFetch, _ buffer: PageBuffer, _ range: Range<Int64>) -> Bool {
    counters.bytesFetched.count(range.count)
    let (isCancelled, isComplete) = monitor.locked { () -> (Bool, Bool) in
      if let question = fetch.question {
        fetch.question = nil
        proofs?.add(version, answering: question)
      }
      let whole = grid.inner(fetch.range.lowerBound..<range.upperBound, of: buffer.page) & buffer.requested
      guard whole != 0 else { return (fetch.isCancelled, false) }
      buffer.present |= whole
      buffer.requested &= ~whole
      if whole & buffer.awaited != 0 {
        buffer.awaited &= ~whole
        arrival.broadcast()
      }
      return (fetch.isCancelled, isToBeFilled(buffer))
    }
    if isComplete { lend(buffer) }
    return isCancelled
  }

  /// Whether the page store is to get the buffer now, as whose user it counts then. With the lock held.
  private func isToBeFilled(_ buffer: PageBuffer) -> Bool {
    guard pages != nil, !buffer.isOffered, buffer.present == grid.all(of: buffer.page) else { return false }
    buffer.isOffered = true
    buffer.users += 1
    return true
  }

  /// Hands a page to the page store.
  private func lend(_ buffer: PageBuffer) {
    let right = monitor.locked { buffer.right.take() }
    guard let pages, loans.begin() else {
      counters.fillsRefused.count()
      return returned(buffer)
    }
    let isTaken = pages.fill(page: buffer.page, with: LentPage(buffer, of: self, loans), by: right)
    if isTaken { counters.pagesFilled.count() } else { counters.fillsRefused.count() }
  }

  /// The page store needs the buffer's bytes no more.
  func returned(_ buffer: PageBuffer) {
    monitor.locked {
      buffer.users -= 1
      settle(buffer)
    }
  }

  /// A fetch has ended.
  func finished(_ fetch: RangeFetch, _ error: Errno?) {
    monitor.locked {
      fetch.isDone = true
      fetch.error = error
      fetch.transfer = nil
      fetches.removeAll { $0 === fetch }
      if error == .versionGone { isGone = true }
      if error == .permissionDenied || error == .versionGone { proofs?.remove(version) }
      for buffer in fetch.buffers {
        let lost = grid.mask(fetch.range, in: buffer.page) & buffer.requested
        buffer.requested &= ~lost
        buffer.ahead &= ~lost
        if lost != 0 { buffer.right = nil }
        if buffer.present == 0, buffer.isIdle { drop(buffer) } else { settle(buffer) }
      }
      if waiting > 0 { arrival.broadcast() }
    }
    guard error != nil else { return }
    if fetch.isCancelled { counters.cancelledFetches.count() } else { counters.failedFetches.count() }
  }
}

// MARK: - Giving back

extension FileReader: RoomOwner {
  func surrender(_ bytes: Int) {
    let cancelled = monitor.locked { () -> [any RangeTransfer] in
      var freed = 0
      // What was read first, then what was asked for ahead, its end first.
      let idle = buffers.values.filter(\.isIdle).sorted {
        ($0.ahead == 0 ? 0 : 1, $0.ahead == 0 ? Int64($0.lastUse) : -$0.page)
          < ($1.ahead == 0 ? 0 : 1, $1.ahead == 0 ? Int64($1.lastUse) : -$1.page)
      }
      for buffer in idle where freed < bytes {
        freed += buffer.assigned.nonzeroBitCount * grid.grain
        drop(buffer)
      }
      var cancelled: [any RangeTransfer] = []
      for fetch in fetches.sorted(by: { $0.range.lowerBound > $1.range.lowerBound }) where freed < bytes {
        guard isUnwanted(fetch) else { continue }
        cancelled += cancel(fetch)
        freed += fetch.range.count
      }
      return cancelled
    }
    for transfer in cancelled { transfer.cancel() }
  }

  /// Whether nobody waits for any of it or has read of it. With the lock held.
  private func isUnwanted(_ fetch: RangeFetch) -> Bool {
    !fetch.isCancelled
      && fetch.buffers.allSatisfy { buffer in
        let mask = grid.mask(fetch.range, in: buffer.page)
        return buffer.users == 0 && buffer.requested & mask == buffer.requested & mask & buffer.ahead
      }
  }

  /// Marks a fetch; its bytes are nobody's from now on. With the lock held.
  /// - Returns: its transfer, to be cancelled without the lock; none when it is not known yet, and who starts it looks.
  private func cancel(_ fetch: RangeFetch) -> [any RangeTransfer] {
    fetch.isCancelled = true
    return fetch.transfer.map { [$0] } ?? []
  }

  func wake() {
    let ended = monitor.locked { () -> [any RangeTransfer] in
      arrival.broadcast()
      return fetches.flatMap { cancel($0) }
    }
    for transfer in ended { transfer.cancel() }
  }

  /// Lets go of what a stream had asked for and nobody reads any more. With the lock held.
  /// - Returns: what is to be cancelled without the lock.
  func abandon(_ range: Range<Int64>) -> [any RangeTransfer] {
    for page in grid.pages(range) {
      if let buffer = buffers[page], buffer.isIdle, buffer.ahead != 0, buffer.ahead == buffer.present { drop(buffer) }
    }
    return fetches.filter { range.contains($0.range.lowerBound) && isUnwanted($0) }.flatMap { cancel($0) }
  }

  /// The file is closed: nothing more is asked for, and what nobody uses goes.
  func close() {
    let ended = monitor.locked { () -> [any RangeTransfer] in
      isClosed = true
      for buffer in Array(buffers.values) where buffer.isIdle { drop(buffer) }
      // One whose bytes are all here is about to end.
      return fetches.filter { !hasArrived($0) }.flatMap { cancel($0) }
    }
    for transfer in ended { transfer.cancel() }
  }

  /// Whether all bytes of it have come. With the lock held.
  private func hasArrived(_ fetch: RangeFetch) -> Bool {
    fetch.buffers.allSatisfy { buffer in grid.mask(fetch.range, in: buffer.page) & ~buffer.present == 0 }
  }
}
