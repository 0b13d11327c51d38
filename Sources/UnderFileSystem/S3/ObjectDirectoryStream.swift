import LinuxSystem
import Synchronization
import SystemPackage
import ObjectStore

/// A directory of an object store being read, page by page, with the next page on its way while one is handed out: two are
/// the most that it holds.
///
/// Cookies count entries: 1 is `.`, 2 is `..`. Where a listing stopped, and where its pages began, is remembered by key.
final class ObjectDirectoryStream: DirectoryStream {
  private let fileSystem: ObjectFileSystem
  private let directory: NodePath
  private let state: Mutex<ListingState>

  init(_ fileSystem: ObjectFileSystem, _ directory: NodePath, from cookie: UInt64) {
    self.fileSystem = fileSystem
    self.directory = directory
    var state = ListingState(position: cookie)
    if cookie > ListingState.dots {
      let start = fileSystem.positions.find(cookie, in: PathHash(directory.directoryPrefix))
      state.last = start?.key
      state.skip = cookie - (start?.cookie ?? ListingState.dots)
    }
    self.state = Mutex(state)
  }

  var position: UInt64 { state.withLock { $0.position } }

  func forEach(_ body: (Span<UInt8>, UInt64, UInt8, UInt64) throws(Errno) -> Bool) throws(Errno) -> Bool {
    try state.withLock { (state) throws(Errno) in
      try handOut(&state, body)
    }
  }

  private func handOut(
    _ state: inout ListingState, _ body: (Span<UInt8>, UInt64, UInt8, UInt64) throws(Errno) -> Bool
  ) throws(Errno) -> Bool {
    while state.position < ListingState.dots {
      let isSelf = state.position == 0
      let inode =
        isSelf ? fileSystem.keys.inode(directory, isDirectory: true) : fileSystem.keys.parentInode(directory)
      let name: FileName = isSelf ? "." : ".."
      guard try body(name.nulTerminated.span, inode, DirectoryEntryType.directory, state.position + 1) else {
        return false
      }
      state.position += 1
    }
    while true {
      while let entry = state.current {
        if state.skip > 0 {
          state.skip -= 1
        } else {
          let inode = fileSystem.keys.inode(entry.fileKey, isDirectory: entry.isDirectory)
          let type = entry.isDirectory ? DirectoryEntryType.directory : DirectoryEntryType.regular
          guard try body(entry.name.nulTerminated.span, inode, type, state.position + 1) else {
            remember(state)
            return false
          }
          state.position += 1
        }
        state.last = entry.key
        state.next += 1
      }
      guard try turnPage(&state) else {
        remember(state)
        return true
      }
    }
  }

  private func remember(_ state: ListingState) {
    guard let last = state.last, state.position > ListingState.dots, state.skip == 0 else { return }
    fileSystem.positions.remember(state.position, last, in: PathHash(directory.directoryPrefix))
  }

  // MARK: Pages

  /// - Returns: false at the end of the directory.
  private func turnPage(_ state: inout ListingState) throws(Errno) -> Bool {
    guard !state.isAtEnd else { return false }
    let fetched = if let ahead = state.ahead { ahead } else { try fetch(request(state), isInBackground: false) }
    state.ahead = nil
    let page = try fetched.answer.wait()
    var listed = ListedPage(
      page, in: directory, after: state.last, held: state.held, written: fileSystem.tree.spools.entries(in: directory))
    listed.drop(try directories(among: listed))
    fileSystem.countHidden(listed.hiddenCount)
    if state.isFirst, state.last == nil { state.wholeSince = fetched.asOf }
    if state.isFirst, let asOf = state.wholeSince { fileSystem.tree.beginWhole(directory, asOf: asOf) }
    fileSystem.tree.learn(listed.entries, in: directory, asOf: fetched.asOf)
    fileSystem.listed.learn(listed.entries, in: PathHash(directory.directoryPrefix))
    remember(state)
    state.isFirst = false
    state.entries = listed.entries
    state.next = 0
    state.held = listed.held
    state.continuation = page.continuation
    if page.continuation == nil {
      state.isAtEnd = true
      if let asOf = state.wholeSince { fileSystem.tree.endWhole(directory, asOf: asOf) }
    } else {
      // Without a thread for it the page is fetched when it is needed.
      state.ahead = try? fetch(request(state), isInBackground: true)
    }
    return true
  }

  /// Files at which nobody can see whether they are directories as well: one request for each, at most the few names that
  /// the page's last key begins with.
  private func directories(among page: ListedPage) throws(Errno) -> [Int] {
    var places: [Int] = []
    for place in page.unclear {
      let path = directory.child(page.entries[place].name.bytes)
      if try fileSystem.tree.hasKeys(beneath: path) { places.append(place) }
    }
    return places
  }

  private func request(_ state: ListingState) -> ListRequest {
    var request = ListRequest(prefix: directory.markerKey)
    if let continuation = state.continuation {
      request.continuation = continuation
    } else if let last = state.last {
      // Services differ in whether a prefix follows itself. U+10FFFF is behind all that lies beneath it.
      request.startAfter = ObjectKey(bytes: last.last == 0x2F ? last + [0xF4, 0x8F, 0xBF, 0xBF] : last)
    }
    return request
  }

  private func fetch(_ request: ListRequest, isInBackground: Bool) throws(Errno) -> PageFetch {
    let fetch = PageFetch()
    let (tree, directory) = (fileSystem.tree, directory)
    let ask: @Sendable () -> Void = {
      do throws(Errno) { fetch.answer.finish(.success(try tree.list(request, directory))) } catch {
        fetch.answer.finish(.failure(error))
      }
    }
    if isInBackground {
      try DetachedThread.start(name: "listing", stackSize: 256 << 10, ask)
    } else {
      ask()
    }
    return fetch
  }
}

/// Where a listing stands.
struct ListingState: Sendable {
  /// Cookie of `..`.
  static let dots: UInt64 = 2

  var position: UInt64
  /// Key of the entry that was handed out or skipped last.
  var last: [UInt8]?
  /// Entries that were handed out by another stream.
  var skip: UInt64 = 0
  var entries: [ListedEntry] = []
  var next = 0
  /// The last file of the page before, of which only the next page tells whether it is one.
  var held: ListedEntry?
  var continuation: String?
  var isFirst = true
  var isAtEnd = false
  var ahead: PageFetch?
  /// When the first page was asked for, of a listing that began at the start.
  var wholeSince: UInt64?

  init(position: UInt64) { self.position = position }

  var current: ListedEntry? { next < entries.count ? entries[next] : nil }
}

/// DT_* of readdir(3).
enum DirectoryEntryType {
  static let directory: UInt8 = 4
  static let regular: UInt8 = 8
}

/// One page on its way.
struct PageFetch: Sendable {
  /// When it was asked for.
  let asOf = ObjectTree.now
  let answer = Awaited<ObjectPage>()
}
