package import LinuxSystem
import Synchronization
package import SystemPackage

/// A page cache on local disk. Nothing that goes wrong there reaches a reader but as a miss. See PageStore.md.
package final class PageStore: Sendable {
  /// What a store is opened with.
  package struct Configuration: Sendable {
    /// 64 KiB to 16 MiB, powers of two; anything else is 1 MiB.
    package var pageSize = 1 << 20
    /// Bytes on disk at most.
    package var quota: Int64
    /// Pages at most: each takes some 60 bytes of memory, and each small file an inode.
    package var maximumPages = 262_144
    /// What must stay free on the file system; nil: a tenth of it, at most 10 GiB.
    package var minimumFree: Int64?
    /// Other workers have the same folder.
    package var isShared = false
    /// Versions are kept in files without a tail as well, for a kernel that reads them itself. Not where the folder is shared.
    package var keepsWhole = false
    /// How long a read waits for the disk.
    package var readLimit: Duration = .seconds(1)
    /// What may wait to be written, in bytes.
    package var fillQueueBytes = 64 << 20
    package var fillThreads = 2
    /// What the plugin allows, below the quota.
    package var account: CacheAccount?

    package init(quota: Int64) { self.quota = quota }
  }

  /// How the store does.
  package struct Status: Sendable, Hashable {
    /// Bytes on disk, as counted.
    package var usedBytes: Int64
    /// Of them, those of files without a tail.
    package var wholeBytes: Int64
    /// What they may be now.
    package var limitBytes: Int64
    package var pages: Int
    /// Why the folder cannot be used at all.
    package var folderError: Errno?
    package var readPause: DiskHealth.Pause?
    package var writePause: DiskHealth.Pause?
  }

  let configuration: Configuration
  let faults: DiskFaults
  let disk: PageDisk
  let index: PageIndex
  let flights = Flights()
  let fills: FillQueue
  let statistics = Counters()
  /// One thread at a time makes room.
  let evictor = Mutex<Void>(())
  let scan = ScanState()
  let whole = WholeFiles()
  private let given: SharedDescriptor?
  private let opened: Mutex<(folder: PageFolder?, error: Errno?, retry: DiskHealth)>
  private let openedWhole = Mutex<WholeFolder?>(nil)
  private let files = Mutex<[FileVersionID: WeakFile]>([:])
  let dropping = Mutex<Set<UInt64>>([])
  let sharedUse: Mutex<SharedUse?>
  let changes = Atomic(0)

  private struct WeakFile: Sendable {
    weak let file: CachedFile?
  }

  /// Opens the store in a folder of this process's user; serves at once, and learns meanwhile what is there.
  /// A folder that cannot be used makes a store that misses.
  package init(folder: borrowing Descriptor, configuration: Configuration, faults: DiskFaults = DiskFaults()) {
    var configuration = configuration
    if !PageLayout.isPageSize(configuration.pageSize) { configuration.pageSize = 1 << 20 }
    if configuration.isShared { configuration.keepsWhole = false }
    self.configuration = configuration
    self.faults = faults
    disk = PageDisk(readLimit: configuration.readLimit)
    index = PageIndex(pageSize: configuration.pageSize)
    fills = FillQueue(maximumBytes: configuration.fillQueueBytes, maximumThreads: configuration.fillThreads)
    given = try? SharedDescriptor(folder.duplicate())
    opened = Mutex((nil, nil, DiskHealth()))
    sharedUse = Mutex(nil)
    if let folder = self.folder() { loadOrder(folder) }
    startScan()
  }

  /// The folder, opened when it was not; nil while it cannot be.
  func folder() -> PageFolder? {
    opened.withLock { opened in
      if let folder = opened.folder { return folder }
      guard let given, opened.retry.isOn(at: .now) else { return nil }
      do throws(Errno) {
        let folder = try PageFolder(given.descriptor, isShared: configuration.isShared, faults: faults)
        opened.folder = folder
        opened.error = nil
        if configuration.isShared { sharedUse.withLock { $0 = try? SharedUse(folder.root) } }
        return folder
      } catch {
        opened.error = error
        opened.retry.failed(.failing(error.rawValue), at: .now)
        return nil
      }
    }
  }

  /// The folder of files without a tail, made when it is first asked for; nil while it cannot be.
  func wholeFolder() -> WholeFolder? {
    guard let folder = folder() else { return nil }
    return openedWhole.withLock { opened in
      if opened == nil { opened = try? WholeFolder(in: folder) }
      return opened
    }
  }

  /// Opens a file version. Nothing is looked for on disk before the first read. Let go of the object to close it.
  package func open(_ version: FileVersion) -> CachedFile {
    let identity = version.identity(pageSize: configuration.pageSize)
    let id = FileVersionID(identity: identity)
    return files.withLock { files in
      if let present = files[id]?.file {
        // One number for two versions: the second is served without being known, and finds its file foreign.
        guard present.version != version else { return present }
        return CachedFile(version, id: id, identity: identity, store: self)
      }
      let file = CachedFile(version, id: id, identity: identity, store: self)
      files[id] = WeakFile(file: file)
      return file
    }
  }

  /// A file object has ended; another for the same version may be there already.
  func closed(_ id: FileVersionID) {
    files.withLock { files in
      if let entry = files[id], entry.file == nil { files[id] = nil }
    }
  }

  /// The file object of the version, if it is open.
  func openFile(_ id: FileVersionID) -> CachedFile? { files.withLock { $0[id]?.file } }

  /// Removes all pages of a version. Who has it open misses from then on.
  package func drop(_ version: FileVersion) {
    let id = FileVersionID(of: version, pageSize: configuration.pageSize)
    _ = fills.add(bytes: 0) { self.dropFileNow(id) }
  }

  /// Bytes of a page of every file, but its last one.
  package var pageSize: Int { configuration.pageSize }

  /// What the store has done.
  package var counts: PageStoreStatistics { statistics.now }

  /// How the store does now.
  package var status: Status {
    let pauses = disk.pauses
    return Status(
      usedBytes: usedBytes, wholeBytes: whole.bytes, limitBytes: limit,
      pages: index.count.load(ordering: .relaxed),
      folderError: opened.withLock { $0.error }, readPause: pauses.reading, writePause: pauses.writing)
  }

  /// Waits until what was handed over is written or dropped. - Returns: false when the deadline passed first.
  @discardableResult
  package func drain(until deadline: Deadline) -> Bool { fills.drain(until: deadline) }

  /// Writes the order of eviction, for the next start. Fills that wait are waited for until `deadline`.
  package func close(until deadline: Deadline) {
    scan.stop()
    whole.stop()
    _ = fills.drain(until: deadline)
    _ = whole.drain(until: deadline)
    if disk.mayWrite, let folder = folder() { saveOrder(folder) }
  }
}
