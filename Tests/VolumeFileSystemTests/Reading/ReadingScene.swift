import Glibc
import LinuxSystem
import Synchronization
import SystemPackage
import TestSupport
import UnderFileSystem

@testable import VolumeFileSystem

/// What several readers share, with a pool that no time trims.
struct ReadingScene {
  let parts: FileReading.Parts
  var pool: BufferPool { parts.pool }
  var counters: ReadStatistics { parts.counters.values }

  /// - Parameter proofLifetime: of a shared cache.
  init(
    budget: Int = 16 << 20, pageSize: Int = 1 << 20, cache: (any PageCache)? = nil,
    proofLifetime: Duration = .seconds(86_400)
  ) throws(Errno) {
    let counters = ReadCounters()
    let pool = try BufferPool(budget: budget, pageSize: pageSize, idleTime: .zero, counters: counters)
    parts = FileReading.Parts(
      pool: pool, loans: PageLoans(limit: max(1, pool.budget / 4 / pageSize)), cache: cache, counters: counters,
      proofs: cache?.isShared == true ? ReadProofs(lifetime: proofLifetime) : nil)
  }

  func open(_ file: ScriptedFile) -> any OpenFile { CachingFile(file, parts) }
}

extension OpenFile {
  /// Reads up to `count` bytes.
  func bytes(_ count: Int, at offset: Int64) throws(Errno) -> [UInt8] {
    var bytes = [UInt8](repeating: 0xEE, count: count)
    var span = bytes.mutableSpan
    var raw = span.mutableBytes
    let got = try read(into: &raw, at: offset)
    return Array(bytes.prefix(got))
  }
}

extension ScriptedFile {
  /// Whether these are the bytes at the offset.
  func has(_ bytes: [UInt8], at offset: Int64) -> Bool {
    var done = 0
    while done < bytes.count {
      let count = min(bytes.count - done, 1 << 20)
      let place = offset + Int64(done)
      let isSame = content(place..<place + Int64(count)).withUnsafeBytes { expected in
        bytes.withUnsafeBytes { found in
          guard let left = found.baseAddress, let right = expected.baseAddress else { return false }
          return memcmp(left + done, right, count) == 0
        }
      }
      if !isSame { return false }
      done += count
    }
    return true
  }
}

/// Things that happen on other threads, in their order, and threads that wait for them.
final class Events<Event: Sendable>: @unchecked Sendable {
  // SAFETY (Sendable): the list is touched under the monitor alone.
  private let monitor = Monitor()
  private let changed: Condition
  private var list: [Event] = []

  init() { changed = Condition(of: monitor) }

  func add(_ event: Event) {
    monitor.locked {
      list.append(event)
      changed.broadcast()
    }
  }

  /// Waits until there are so many.
  @discardableResult
  func wait(for count: Int) -> [Event] {
    monitor.locked {
      while list.count < count { changed.wait() }
      return list
    }
  }

  /// Waits for the event of that number, from 0.
  subscript(index: Int) -> Event { wait(for: index + 1)[index] }
  var all: [Event] { monitor.locked { list } }
}

/// A read on a thread of its own.
final class ReadInBackground: Sendable {
  private let ended = Events<Result<[UInt8], Errno>>()

  init(_ file: any OpenFile, _ count: Int, at offset: Int64) {
    let ended = ended
    OwnThread.start {
      do throws(Errno) { ended.add(.success(try file.bytes(count, at: offset))) } catch { ended.add(.failure(error)) }
    }
  }

  /// Waits for it.
  func bytes() throws(Errno) -> [UInt8] { try ended[0].get() }
  var isOver: Bool { !ended.all.isEmpty }
}

/// A page cache in memory that does what the test says.
final class PagesInMemory: PageCache {
  let pageSize: Int
  private let kept = Mutex<[ContentVersion: [Int64: [UInt8]]]>([:])
  /// Pages that are taken and held instead of being kept at once.
  let held = Mutex<[(ContentVersion, Int64, LentPage)]?>(nil)
  let fills = Events<Int64>()

  /// Others fill it, too.
  let isShared: Bool
  /// Pages that others bring.
  let others = Mutex<[Int64: OthersPage]>([:])
  /// Rights that are given now.
  let rights = Mutex<Set<Int64>>([])

  init(pageSize: Int = 1 << 20, isShared: Bool = false) {
    self.pageSize = pageSize
    self.isShared = isShared
  }

  /// As another worker does it.
  func put(_ file: ScriptedFile, page: Int64) {
    let start = page * Int64(pageSize)
    let bytes = file.content(start..<min(start + Int64(pageSize), file.contentVersion.size))
    kept.withLock { $0[file.contentVersion, default: [:]][page] = bytes }
  }

  /// A page that another worker brings, until the test says that it has ended.
  final class OthersPage: PageArrival, @unchecked Sendable {
    // SAFETY (Sendable): the state is touched under the monitor alone.
    private let monitor = Monitor()
    private let changed: Condition
    private var hasEnded = false
    let waits = Events<Void>()

    init() { changed = Condition(of: monitor) }

    func end() {
      monitor.locked {
        hasEnded = true
        changed.broadcast()
      }
    }

    func wait(until deadline: Deadline) -> Bool {
      waits.add(())
      return monitor.locked {
        while !hasEnded { if !changed.wait(until: deadline) { return hasEnded } }
        return true
      }
    }
  }

  private final class Right: PageRight {
    let cache: PagesInMemory
    let page: Int64

    init(_ cache: PagesInMemory, _ page: Int64) {
      self.cache = cache
      self.page = page
    }

    deinit { _ = cache.rights.withLock { $0.remove(page) } }
  }

  func pages(of version: ContentVersion) -> (any CachedPages)? { Pages(self, version) }
  func forget() { kept.withLock { $0 = [:] } }
  func forget(page: Int64) { kept.withLock { kept in for version in kept.keys { kept[version]?[page] = nil } } }
  var count: Int { kept.withLock { $0.values.reduce(0) { $0 + $1.count } } }

  /// From now on pages are held.
  func hold() { held.withLock { $0 = [] } }

  /// Keeps what was held, and what comes.
  func letGo() {
    let pages = held.withLock { held in
      defer { held = nil }
      return held ?? []
    }
    for (version, page, bytes) in pages { keep(version, page, bytes) }
  }

  private func keep(_ version: ContentVersion, _ page: Int64, _ lent: LentPage) {
    lent.withBytes { bytes in
      let copy = bytes.withUnsafeBytes { Array($0) }
      kept.withLock { $0[version, default: [:]][page] = copy }
    }
    fills.add(page)
  }

  private final class Pages: CachedPages {
    private let cache: PagesInMemory
    private let version: ContentVersion

    init(_ cache: PagesInMemory, _ version: ContentVersion) {
      self.cache = cache
      self.version = version
    }

    func read(into buffer: inout MutableRawSpan, at offset: Int64) -> Bool {
      guard let page = cache.kept.withLock({ $0[version]?[offset / Int64(cache.pageSize)] }) else { return false }
      let start = Int(offset % Int64(cache.pageSize))
      let count = buffer.byteCount
      guard start + count <= page.count else { return false }
      buffer.withUnsafeMutableBytes { target in
        page.withUnsafeBytes { source in target.copyMemory(from: .init(rebasing: source[start..<start + count])) }
      }
      return true
    }

    func contains(page: Int64) -> Bool { cache.kept.withLock { $0[version]?[page] != nil } }

    func claim(page: Int64) -> PageClaim {
      guard cache.isShared else { return .ours(nil) }
      if let other = cache.others.withLock({ $0[page] }) { return .elsewhere(other) }
      _ = cache.rights.withLock { $0.insert(page) }
      return .ours(Right(cache, page))
    }

    func fill(page: Int64, with bytes: LentPage, by right: (any PageRight)?) -> Bool {
      let isHeld = cache.held.withLock { held in
        guard held != nil else { return false }
        held?.append((version, page, bytes))
        return true
      }
      if !isHeld { cache.keep(version, page, bytes) }
      return true
    }
  }
}
