import Glibc
import LinuxSystem
import PageSamples
import PageStore
import Synchronization
import SystemPackage
import TestSupport

/// A folder with page stores in it, small pages, and nothing that other use of the disk changes. It goes when nobody writes to
/// it any more.
final class StoreFolder: Sendable {
  static let pageSize = 64 << 10
  let directory: TemporaryDirectory
  private let stores = Mutex<[PageStore]>([])

  init() throws { directory = try TemporaryDirectory("pages") }

  deinit {
    for store in stores.withLock({ $0 }) {
      store.drain(until: .never)
      store.drainWhole(until: .never)
    }
  }

  var path: String { directory.path }

  func open(
    quota: Int64 = 1 << 30, faults: DiskFaults = DiskFaults(),
    _ change: (inout PageStore.Configuration) -> Void = { _ in }
  ) throws -> PageStore {
    let store = try Self.open(path, quota: quota, faults: faults, change)
    stores.withLock { $0.append(store) }
    return store
  }

  static func open(
    _ path: String, quota: Int64 = 1 << 30, faults: DiskFaults = DiskFaults(),
    _ change: (inout PageStore.Configuration) -> Void = { _ in }
  ) throws -> PageStore {
    var configuration = PageStore.Configuration(quota: quota)
    configuration.pageSize = pageSize
    configuration.minimumFree = 0
    // A machine that is busy is not to be taken for a slow disk.
    configuration.readLimit = .patient
    change(&configuration)
    let store = PageStore(
      folder: try Descriptor.open(path, O_RDONLY | O_DIRECTORY), configuration: configuration, faults: faults)
    store.waitForScan(until: .never)
    return store
  }

  /// Of the version in this store.
  static func name(_ sample: PageSample) -> String {
    let id = FileVersionID(of: sample.version, pageSize: pageSize)
    func hex(_ word: UInt64) -> String {
      let digits = String(word, radix: 16)
      return String(repeating: "0", count: 16 - digits.count) + digits
    }
    let text = hex(id.high) + hex(id.low)
    return "pages-1/\(text.prefix(2))/\(text.dropFirst(2))"
  }

  func path(of sample: PageSample) -> String { directory.appending(Self.name(sample)) }

  func exists(_ sample: PageSample) -> Bool { access(path(of: sample), F_OK) == 0 }

  /// What lies in it, in bytes of blocks.
  func measure() throws -> Int64 { try FolderUsage.measure(try Descriptor.open(path, O_RDONLY | O_DIRECTORY)) }
}

extension PageStore {
  func reader(_ sample: PageSample) -> PageReader { PageReader(sample, in: self, pageSize: StoreFolder.pageSize) }

  /// Fills the whole version and waits until it is written.
  @discardableResult
  func fill(_ sample: PageSample) -> PageReader {
    let reader = reader(sample)
    _ = reader.readsRight()
    drain(until: .never)
    return reader
  }
}

/// A door that threads wait at until it is opened.
final class Gate: @unchecked Sendable {
  private let monitor: Monitor
  private let changed: Condition
  private var isOpen = false
  private var waiting = 0

  init() {
    monitor = Monitor()
    changed = Condition(of: monitor)
  }

  func pass() {
    monitor.locked {
      waiting += 1
      changed.broadcast()
      while !isOpen { changed.wait() }
      waiting -= 1
    }
  }

  /// Counted, and not kept.
  func arrive() {
    monitor.locked {
      waiting += 1
      changed.broadcast()
    }
  }

  func waitForArrivals(_ count: Int) { monitor.locked { while waiting < count { changed.wait() } } }

  func open() {
    monitor.locked {
      isOpen = true
      changed.broadcast()
    }
  }
}
