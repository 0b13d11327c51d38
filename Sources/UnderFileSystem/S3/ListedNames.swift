import Synchronization

/// In which order files were listed, for who reads them one after the other: the names on pages of listings, of which those that
/// were not used for longest are forgotten.
final class ListedNames: Sendable {
  /// Names in ascending order.
  private struct Page: Sendable {
    private var bytes: [UInt8] = []
    private var ends: [UInt32] = []
    /// When it was learned or asked for last.
    var use: UInt64

    /// - Parameter names: nil is answered where they do not ascend: not every store sorts.
    init?(_ names: some Sequence<ArraySlice<UInt8>>, use: UInt64) {
      self.use = use
      for name in names {
        if !ends.isEmpty, !self[ends.count - 1].lexicographicallyPrecedes(name) { return nil }
        bytes += name
        ends.append(UInt32(bytes.count))
      }
      guard let last = ends.indices.last, last > 0 else { return nil }
    }

    var count: Int { ends.count }
    /// With what two arrays and a place in the table take, which is most of it for small directories.
    var size: Int { bytes.count + ends.count * MemoryLayout<UInt32>.size + 160 }

    subscript(place: Int) -> ArraySlice<UInt8> {
      bytes[(place == 0 ? 0 : Int(ends[place - 1]))..<Int(ends[place])]
    }

    /// The place of the first name behind `name`; `count` where all stand before it.
    func place(behind name: ArraySlice<UInt8>) -> Int {
      var (lower, upper) = (0, count)
      while lower < upper {
        let middle = (lower + upper) / 2
        if name.lexicographicallyPrecedes(self[middle]) { upper = middle } else { lower = middle + 1 }
      }
      return lower
    }
  }

  private struct State: Sendable {
    /// Of each directory ascending by their first names.
    var pages: [PathHash: [Page]] = [:]
    var size = 0
    var clock: UInt64 = 0
  }

  /// Bytes of all pages.
  private let limit: Int
  private let state = Mutex(State())

  init(limit: Int = 2 << 20) { self.limit = limit }

  /// Takes over the files of a page, in their order, in the place of one that began with the same name.
  func learn(_ entries: [ListedEntry], in directory: PathHash) {
    state.withLock { state in
      state.clock += 1
      guard let page = Page(entries.lazy.filter { !$0.isDirectory }.map(\.name.bytes), use: state.clock) else { return }
      var pages = state.pages.removeValue(forKey: directory) ?? []
      let place = pages.firstIndex { !$0[0].lexicographicallyPrecedes(page[0]) } ?? pages.count
      if place < pages.count, pages[place][0] == page[0] {
        state.size -= pages[place].size
        pages[place] = page
      } else {
        pages.insert(page, at: place)
      }
      state.size += page.size
      state.pages[directory] = pages
      if state.size > limit { Self.shrink(&state, to: limit / 2) }
    }
  }

  private static func shrink(_ state: inout State, to size: Int) {
    // No two pages have been used at one time.
    var last: UInt64 = 0
    for page in state.pages.values.joined().sorted(by: { $0.use < $1.use }) where state.size > size {
      state.size -= page.size
      last = page.use
    }
    state.pages = state.pages.compactMapValues { pages in
      let left = pages.filter { $0.use > last }
      return left.isEmpty ? nil : left
    }
  }

  /// At most `limit` names that follow `name` on its page and the next.
  func names(behind name: FileName, in directory: PathHash, limit: Int) -> [FileName] {
    state.withLock { state in
      guard let pages = state.pages[directory] else { return [] }
      var names: [FileName] = []
      // The last page that begins at or before the name.
      let first = pages.lastIndex { !name.bytes.lexicographicallyPrecedes($0[0]) } ?? 0
      for place in pages.indices[first...].prefix(2) where names.count < limit {
        state.clock += 1
        state.pages[directory]?[place].use = state.clock
        let page = pages[place]
        for next in (page.place(behind: name.bytes)..<page.count).prefix(limit - names.count) {
          names.append(FileName(bytes: page[next]))
        }
      }
      return names
    }
  }
}
