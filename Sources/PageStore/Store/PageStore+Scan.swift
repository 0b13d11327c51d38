package import LinuxSystem
import Synchronization
import SystemPackage

/// How far the listing of the folder has come.
final class ScanState: @unchecked Sendable {
  // SAFETY (Sendable): all mutable state is touched only under `monitor`.
  private let monitor: Monitor
  private let ended: Condition
  private var isOver = false
  private var isStopped = false

  init() {
    monitor = Monitor()
    ended = Condition(of: monitor)
  }

  var shallStop: Bool { monitor.locked { isStopped } }
  func stop() { monitor.locked { isStopped = true } }

  func end() {
    monitor.locked {
      isOver = true
      ended.broadcast()
    }
  }

  func wait(until deadline: Deadline) -> Bool {
    monitor.locked {
      while !isOver { if !ended.wait(until: deadline) { return isOver } }
      return true
    }
  }
}

extension PageStore {
  /// Waits until the listing that began with the store is through. - Returns: false when the deadline passed first.
  @discardableResult
  package func waitForScan(until deadline: Deadline) -> Bool { scan.wait(until: deadline) }

  func startScan() {
    do throws(Errno) {
      try DetachedThread.start(name: "page-scan", stackSize: 512 << 10) { [weak self] in
        guard let self else { return }
        if let folder = self.folder() {
          self.scanFolder(folder)
          self.scanWhole(folder)
        }
        self.scan.end()
      }
    } catch {
      // Out of threads: files are known when they are opened.
      scan.end()
    }
  }

  /// Adds what is on disk and not known, and forgets what is known from the order file alone and not on disk.
  func scanFolder(_ folder: PageFolder) {
    do throws(Errno) {
      var isWhole = true
      try folder.forEachName { id in
        if scan.shallStop {
          isWhole = false
          return false
        }
        if !index.confirm(id) || configuration.isShared { examine(id, in: folder) }
        return true
      }
      guard isWhole else { return }
      for id in index.presumedFiles() { index.remove(id) }
      sharedUse.withLock { try? $0?.set(index.cost.load(ordering: .relaxed)) }
      counted(0)
    } catch {
      disk.readFailed(.failing(error.rawValue))
    }
  }

  private func examine(_ id: FileVersionID, in folder: PageFolder) {
    guard let found = try? PageFile.open(id, identity: openFile(id)?.identity, in: folder) else { return }
    switch found {
    case .file(let file): insert(file, isCounted: true)
    case .foreign: dropFile(id)
    case .absent: break
    }
  }

  /// A file that was found when it was opened: pages that nobody has counted yet.
  func adopt(_ file: PageFile) { if !index.confirm(file.id) { insert(file, isCounted: configuration.isShared) } }

  private func insert(_ file: PageFile, isCounted: Bool) {
    guard file.layout.pageSize == configuration.pageSize, let pages = try? file.presentPages() else { return }
    for page in pages {
      let place = PageIndex.Page(id: file.id, page: UInt32(page), size: file.layout.size)
      if index.insert(place), !isCounted { counted(file.layout.cost(page: page)) }
    }
    if pages.isEmpty, !index.contains(file.id), openFile(file.id) == nil, !configuration.isShared { dropEmpty(file) }
  }

  /// What a fill that did not come to its end has left, or an eviction.
  private func dropEmpty(_ file: PageFile) {
    let id = file.id
    _ = fills.add(bytes: 0) {
      if !self.index.contains(id), self.openFile(id) == nil { self.dropFileNow(id) }
    }
  }
}
