import LinuxSystem
import PageStore
import Synchronization
import UnderFileSystem
import VolumeFileSystem

/// The page store as reads of files use it.
struct StoredPages: PageCache {
  let store: PageStore
  /// Others keep pages in the same folder.
  let isShared: Bool
  private let others = OtherWorkers()

  init(_ store: PageStore, isShared: Bool = false) {
    self.store = store
    self.isShared = isShared
  }

  var pageSize: Int { store.pageSize }

  func pages(of version: ContentVersion) -> (any CachedPages)? {
    StoredFile(store.open(Self.file(version)), isShared ? others : nil)
  }

  func wholeFile(of version: ContentVersion) -> SharedDescriptor? { store.wholeFile(of: Self.file(version)) }

  func keepWhole(_ version: ContentVersion) { store.keepWhole(Self.file(version)) }

  private static func file(_ version: ContentVersion) -> FileVersion {
    FileVersion(
      underFileSystem: version.source, path: version.path, revision: .etag(version.tag), size: version.size)
  }
}

/// Pages of one version in the page store.
private final class StoredFile: CachedPages {
  private let file: CachedFile
  private let others: OtherWorkers?

  init(_ file: CachedFile, _ others: OtherWorkers?) {
    self.file = file
    self.others = others
  }

  func read(into buffer: inout MutableRawSpan, at offset: Int64) -> Bool {
    file.read(into: &buffer, at: offset) == buffer.byteCount
  }

  func contains(page: Int64) -> Bool { file.contains(page: page) }

  func claim(page: Int64) -> PageClaim {
    guard let others else { return .ours(nil) }
    switch file.beginFill(page: page) {
    case .ours(let fill): return .ours(FillRight(fill))
    case .elsewhere(let wait):
      guard others.areWaitedFor else { return .ours(nil) }
      return .elsewhere(OtherWorkersPage(wait: wait, others: others))
    case .refused: return .ours(nil)
    }
  }

  func fill(page: Int64, with bytes: LentPage, by right: (any PageRight)?) -> Bool {
    if let fill = (right as? FillRight)?.take() {
      fill.commit(bytes)
      return true
    }
    switch file.beginFill(page: page) {
    case .ours(let fill):
      fill.commit(bytes)
      return true
    case .elsewhere: return false
    case .refused: return false
    }
  }
}

/// The right to fill a page, until it is used or let go of.
private final class FillRight: PageRight {
  private let fill: Mutex<PageFill?>

  init(_ fill: consuming PageFill) { self.fill = Mutex(fill) }

  func take() -> PageFill? { fill.withLock { $0.take() } }
}

/// A page that another worker, or another open file of this one, brings.
private struct OtherWorkersPage: PageArrival {
  let wait: PageWait
  let others: OtherWorkers

  func wait(until deadline: Deadline) -> Bool {
    let hasEnded = wait.waitForEnd(until: deadline)
    if hasEnded { others.answered() } else { others.keptWaiting() }
    return hasEnded
  }
}

/// Whether the other workers of a folder bring what they have begun to. One that is stopped, or means harm, keeps readers
/// waiting for one page and then for no other for a while.
private final class OtherWorkers: Sendable {
  /// How long waits in vain may be, and how long nobody is waited for after that.
  private static let patience = Duration.milliseconds(1_500)
  private static let pause = Duration.seconds(30)

  private let state = Mutex<(since: Deadline?, pausedUntil: Deadline)>((nil, .now))

  var areWaitedFor: Bool { state.withLock { $0.pausedUntil.hasPassed } }

  func answered() { state.withLock { $0.since = nil } }

  func keptWaiting() {
    state.withLock { state in
      let since = state.since ?? .now
      state.since = since
      guard since.advanced(by: Self.patience).hasPassed else { return }
      state = (nil, .after(Self.pause))
    }
  }
}

/// A page in the pool's memory goes to the disk from there.
extension LentPage: PageContent {}
