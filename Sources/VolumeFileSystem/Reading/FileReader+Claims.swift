import LinuxSystem
import SystemPackage
import UnderFileSystem

/// Rights to bring pages, by their numbers.
typealias PageRights = [Int64: any PageRight]

/// Where the page store is shared, each page is fetched by one worker of the node at a time.
extension FileReader {
  /// How long a read waits for another worker, which may be slow or stopped, before it asks for itself.
  private static let patience = Duration.seconds(2)

  /// Claims what a fetch would complete.
  struct Claims {
    /// As far as nobody else brings it.
    var wish: Range<Int64>
    var rights: PageRights = [:]
    /// The first page is another worker's.
    var elsewhere: (any PageArrival)?
  }

  /// Claims the pages that are whole once the missing run of `part` within `wish` has come; others are not kept.
  func claimed(of part: Range<Int64>, within wish: Range<Int64>) -> Claims {
    var claims = Claims(wish: wish)
    guard let pages, proofs != nil else { return claims }
    let run = monitor.locked { missingRun(of: part, within: wish).map { ($0, completed(by: $0)) } }
    guard let (run, completed) = run else { return claims }
    for page in completed {
      switch pages.claim(page: page) {
      case .ours(let right): claims.rights[page] = right
      case .elsewhere(let arrival):
        if grid.start(of: page) <= run.lowerBound {
          claims.elsewhere = arrival
        } else {
          claims.wish = wish.lowerBound..<grid.start(of: page)
        }
        return claims
      }
    }
    return claims
  }

  /// Pages that the run leaves nothing of to be asked for. With the lock held.
  private func completed(by run: Range<Int64>) -> [Int64] {
    grid.pages(run).filter { page in
      let known = buffers[page].map { $0.present | $0.requested } ?? 0
      return grid.all(of: page) & ~(known | grid.mask(run, in: page)) == 0
    }
  }

  /// Waits for a page that another worker brings, without room and without the lock.
  /// - Returns: false when it has taken too long, for all of this read.
  func wait(for arrival: any PageArrival, _ request: inout ReadRequest) throws(Errno) -> Bool {
    let limit = request.othersLimit ?? .after(Self.patience)
    request.othersLimit = limit
    while !limit.hasPassed {
      if pool.isEnding { throw .leftToNextWorker }
      if arrival.wait(until: min(limit, .after(.milliseconds(100)))) { return true }
    }
    return false
  }
}
