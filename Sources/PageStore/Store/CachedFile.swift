import LinuxSystem
import Synchronization
import SystemPackage

/// An open file version. One object for all who have it open; let go of it to close it.
package final class CachedFile: Sendable {
  private struct State {
    var file: PageFile?
    /// Looked for and not there: only a fill of this process makes it, where the folder is not shared.
    var isAbsent = false
  }

  /// What was asked for.
  package let version: FileVersion
  let id: FileVersionID
  let identity: [UInt8]
  /// nil: a version that is not cached, as one without bytes or with too long a name.
  let layout: PageLayout?
  let store: PageStore
  private let state = Mutex(State())
  /// Held while the file is made: before it has its footer, another thread would take it for a foreign one.
  private let making = Mutex<Void>(())
  private let lastTouched = Atomic<Int64>(-1)

  init(_ version: FileVersion, id: FileVersionID, identity: [UInt8], store: PageStore) {
    self.version = version
    self.id = id
    self.identity = identity
    self.store = store
    layout = PageLayout(
      size: version.size, pageSize: store.configuration.pageSize, identityLength: identity.count)
  }

  deinit { store.closed(id) }

  /// The length of a page; fewer bytes than the page size for the last one.
  package func pageLength(_ page: Int64) -> Int { layout?.pageLength(page) ?? 0 }

  /// Whether the page is there, as far as the index knows. Where other processes fill the folder too, the file is asked.
  package func contains(page: Int64) -> Bool {
    if store.index.contains(id, page: page) { return true }
    return store.configuration.isShared && isFilledByOthers(page)
  }

  /// In a folder that others fill as well: whether the file says that the page is there, which the index knows from then on.
  func isFilledByOthers(_ page: Int64) -> Bool {
    guard let layout, page >= 0, page < layout.pageCount, let file = openFile(),
      store.disk.isPresent(file, page: page)
    else { return false }
    store.index.insert(PageIndex.Page(id: id, page: UInt32(page), size: version.size))
    return true
  }

  // MARK: Reading

  /// Fills the buffer's start with the version's bytes from `offset` on, as far as they are cached.
  /// - Returns: bytes that are there and right. Fewer than asked for: what follows has to be fetched, or the version ends.
  package func read(into target: inout MutableRawSpan, at offset: Int64) -> Int {
    guard offset >= 0, offset < version.size else { return 0 }
    let wanted = Int(min(Int64(target.byteCount), version.size - offset))
    guard wanted > 0, let layout, let file = openFile() else {
      store.statistics.count(hit: 0, of: wanted)
      if store.configuration.isShared, let layout { forgetEvicted(offset / Int64(layout.pageSize)) }
      return 0
    }
    var done = 0
    while done < wanted {
      let got = readPart(file, into: &target, range: done..<wanted, at: offset + Int64(done))
      if got == 0 { break }
      done += got
    }
    if done > 0 {
      touch(layout, offset, done)
      store.statistics.count(hit: done, of: wanted)
    } else {
      store.statistics.count(hit: 0, of: wanted)
    }
    if done < wanted, store.configuration.isShared { forgetEvicted((offset + Int64(done)) / Int64(layout.pageSize)) }
    return done
  }

  /// As ``read(into:at:)`` for the buffer's first `count` bytes, but neither a hit nor a use.
  func readAside(into target: inout MutableRawSpan, count: Int, at offset: Int64) -> Int {
    guard let file = openFile() else { return 0 }
    var done = 0
    while done < count {
      let got = readPart(file, into: &target, range: done..<count, at: offset + Int64(done))
      if got == 0 { break }
      done += got
    }
    return done
  }

  /// A page that others have evicted, and counted, is one that the index is wrong about.
  private func forgetEvicted(_ page: Int64) {
    // What this process is about to write is in the index before it is in the file.
    guard store.index.contains(id, page: page), !store.flights.isOn(self, page: page) else { return }
    if let file = openFile(), store.disk.isPresent(file, page: page) { return }
    store.index.remove(id, page: page)
  }

  /// Several reads in a row of one page are one.
  private func touch(_ layout: PageLayout, _ offset: Int64, _ count: Int) {
    let shift = layout.pageSize.trailingZeroBitCount
    let last = (offset + Int64(count) - 1) >> Int64(shift)
    var page = offset >> Int64(shift)
    if page == lastTouched.load(ordering: .relaxed) { page += 1 }
    guard page <= last else { return }
    lastTouched.store(last, ordering: .relaxed)
    while page <= last {
      store.index.touch(id, page: page)
      page += 1
    }
  }

  /// One run of whole blocks, or a part of one block. - Returns: right bytes at the start of `range`.
  private func readPart(
    _ file: PageFile, into target: inout MutableRawSpan, range: Range<Int>, at offset: Int64
  ) -> Int {
    let size = PageLayout.blockSize
    let within = Int(offset & Int64(size - 1))
    let block = offset / Int64(size)
    let reachesEnd = offset + Int64(range.count) == version.size
    if within == 0, range.count >= size || reachesEnd {
      let blocks = min(64, reachesEnd ? (range.count + size - 1) / size : range.count / size)
      let bytes = min(blocks * size, range.count)
      return readBlocks(file, block, blocks, into: &target, range: range.lowerBound..<range.lowerBound + bytes)
    }
    let length = Int(min(Int64(size), version.size - block * Int64(size)))
    let count = min(range.count, length - within)
    return ScratchBlock.with { whole in
      guard readBlocks(file, block, 1, into: &whole, range: 0..<length) == length else { return 0 }
      target.replace(at: range.lowerBound, with: whole.bytes.extracting(within..<within + count))
      return count
    }
  }

  /// - Returns: bytes of the blocks up to the first that is absent or not right.
  private func readBlocks(
    _ file: PageFile, _ first: Int64, _ count: Int, into target: inout MutableRawSpan, range: Range<Int>
  ) -> Int {
    var sums = InlineArray<64, UInt64>(repeating: 0)
    guard accept(store.disk.readChecksums(file, firstBlock: first, count: count, into: &sums), file, first) else {
      return 0
    }
    var present = 0
    while present < count, sums[present] != 0 { present += 1 }
    guard present > 0 else { return 0 }
    let size = PageLayout.blockSize
    let end = min(range.lowerBound + present * size, range.upperBound)
    let answer = store.disk.read(file, into: &target, range: range.lowerBound..<end, at: first * Int64(size))
    guard accept(answer, file, first) else { return 0 }
    for index in 0..<present {
      let start = range.lowerBound + index * size
      let part = start..<min(start + size, end)
      if PageChecksum.block(target, part, seed: file.seed(block: first + Int64(index))) != sums[index] {
        mismatch(file, block: first + Int64(index))
        return index * size
      }
    }
    return end - range.lowerBound
  }

  /// Whether all came that was asked for; sees to what that means otherwise.
  private func accept(_ answer: PageDisk.Answer, _ file: PageFile, _ block: Int64) -> Bool {
    switch answer {
    case .all: return true
    case .unavailable: return false
    case .short: lost(file)
    case .failed: store.dropBadPage(self, file: file, page: block / Int64(file.layout.blocksPerPage))
    }
    return false
  }

  /// Bad, unless somebody has evicted the page between the two reads.
  private func mismatch(_ file: PageFile, block: Int64) {
    var sums = InlineArray<64, UInt64>(repeating: 0)
    guard case .all = store.disk.readChecksums(file, firstBlock: block, count: 1, into: &sums), sums[0] != 0 else {
      return
    }
    store.dropBadPage(self, file: file, page: block / Int64(file.layout.blocksPerPage))
  }

  /// The file is shorter than it was made: evicted whole, or damaged.
  private func lost(_ file: PageFile) {
    if file.isNamed { store.dropFile(id) }
    forget(file)
  }

  // MARK: The file

  /// Closes the file when it is this one, or whatever it is; the next read looks for it again.
  func forget(_ file: PageFile? = nil) {
    state.withLock { state in
      guard file == nil || state.file === file else { return }
      state.file = nil
      state.isAbsent = false
    }
  }

  /// The file that is open now.
  var openedFile: PageFile? { state.withLock { $0.file } }

  private func openFile() -> PageFile? {
    let (present, isAbsent) = state.withLock { ($0.file, $0.isAbsent) }
    if let present { return present }
    if isAbsent && !store.configuration.isShared { return nil }
    guard store.disk.mayRead, let folder = store.folder() else { return nil }
    do throws(Errno) {
      switch try PageFile.open(id, identity: identity, in: folder) {
      case .file(let file):
        store.adopt(file)
        return keep(file)
      case .absent: break
      case .foreign: store.dropFile(id)
      }
      state.withLock { $0.isAbsent = $0.file == nil }
    } catch {
      store.disk.readFailed(.failing(error.rawValue))
    }
    return nil
  }

  private func keep(_ file: PageFile) -> PageFile {
    state.withLock { state in
      if let present = state.file { return present }
      state.file = file
      state.isAbsent = false
      return file
    }
  }

  /// The file to write to, made where it is absent.
  /// - Parameter onlyPage: the bytes of a small version; written when the file is made.
  /// - Returns: the file, and whether `onlyPage` is in it.
  func fileForFill(onlyPage: [UInt8]?, in folder: PageFolder) throws(Errno) -> (file: PageFile, isFilled: Bool) {
    try making.withLock { (_) throws(Errno) in try findOrMake(onlyPage: onlyPage, in: folder) }
  }

  private func findOrMake(
    onlyPage: [UInt8]?, in folder: PageFolder
  ) throws(Errno) -> (file: PageFile, isFilled: Bool) {
    guard let layout else { throw .invalidArgument }
    if let file = openedFile, file.isWritable {
      if file.isNamed { return (file, false) }
      forget(file)
    }
    for _ in 0..<3 {
      switch try PageFile.open(id, identity: identity, in: folder) {
      case .file(let file):
        guard file.isWritable else { throw .readOnlyFileSystem }
        return (keep(file), false)
      case .foreign: try folder.remove(id)
      case .absent:
        do throws(Errno) {
          let file = try PageFile.create(id, layout: layout, identity: identity, onlyPage: onlyPage, in: folder)
          return (keep(file), onlyPage != nil)
        } catch .fileExists {
          // Another process was faster.
        }
      }
    }
    throw .resourceBusy
  }

  // MARK: Filling

  /// The right to bring a page, or who has it.
  package func beginFill(page: Int64) -> FillStart {
    guard let layout, page >= 0, page < layout.pageCount, store.takesFills(of: layout.pageLength(page)) else {
      store.statistics.add(\.refusedFills)
      return .refused
    }
    let (flight, isNew) = store.flights.begin(self, page: page)
    guard isNew else { return .elsewhere(PageWait(holder: .flight(flight), flights: store.flights)) }
    guard store.configuration.isShared else { return .ours(PageFill(flight, store: store)) }
    return lockPage(flight)
  }

  /// Against other processes.
  private func lockPage(_ flight: Flights.Flight) -> FillStart {
    guard let locks = store.folder()?.flights else { return .ours(PageFill(flight, store: store)) }
    guard locks.take(flight.key) else {
      store.flights.end(flight)
      return .elsewhere(PageWait(holder: .process(locks, key: flight.key), flights: store.flights))
    }
    store.flights.holdsLock(flight, locks)
    // Since somebody looked for it, another may have brought it.
    if isFilledByOthers(flight.page) {
      store.flights.end(flight)
      return .elsewhere(PageWait(holder: .nobody, flights: store.flights))
    }
    return .ours(PageFill(flight, store: store))
  }
}
