import Glibc
import LinuxSystem
import Synchronization
import SystemPackage

extension PageStore {
  /// What the store may take now, in bytes. Who shares a folder has no quota of its own in it but what all are allowed.
  var limit: Int64 {
    guard let account = configuration.account else { return configuration.quota }
    return configuration.isShared ? account.allowance : min(configuration.quota, account.allowance)
  }

  /// What is taken: by all that share the folder, where it is shared.
  var usedBytes: Int64 {
    sharedUse.withLock { try? $0?.total() } ?? ownBytes
  }

  /// What this store's pages and whole files take.
  private var ownBytes: Int64 { index.cost.load(ordering: .relaxed) + whole.bytes }

  /// This process has put so many bytes there, or taken them away.
  func counted(_ bytes: Int64) {
    sharedUse.withLock { _ = try? $0?.add(bytes) }
    configuration.account?.report(used: ownBytes)
  }

  private var isOverLimit: Bool {
    usedBytes > limit || index.count.load(ordering: .relaxed) > configuration.maximumPages
  }

  /// Evicts until what is counted fits and the disk has room for `cost` more.
  /// - Returns: false when there is nothing left to evict and it does not.
  func makeRoom(in folder: PageFolder, for cost: Int64) -> Bool {
    evictor.withLock { _ in
      var hasScanned = false
      let isTight = usedBytes > limit - limit / 8
      configuration.account?.report(wanted: isTight ? configuration.quota : usedBytes)
      while isOverLimit {
        if evictOne(in: folder) { continue }
        // Others that share the folder have filled it.
        guard configuration.isShared, !hasScanned else { return false }
        hasScanned = true
        scanFolder(folder)
      }
      let missing = missingFree(in: folder, for: cost)
      if missing <= 0 { return true }
      return evict(atLeast: missing, in: folder) && missingFree(in: folder, for: cost) <= 0
    }
  }

  /// Bytes that must go before `cost` more leave enough free.
  private func missingFree(in folder: PageFolder, for cost: Int64) -> Int64 {
    guard let now = try? FileSystemStatistics(of: folder.pages) else { return 0 }
    let kept = configuration.minimumFree ?? min(Int64(clamping: now.totalBytes / 10), 10 << 30)
    return kept + cost - Int64(clamping: now.availableBytes)
  }

  /// Under `evictor`. - Returns: false when there was less.
  func evict(atLeast bytes: Int64, in folder: PageFolder) -> Bool {
    let start = index.cost.load(ordering: .relaxed)
    while start - index.cost.load(ordering: .relaxed) < bytes {
      if !evictOne(in: folder) { return false }
    }
    return true
  }

  /// - Returns: false when there is nothing to evict.
  private func evictOne(in folder: PageFolder) -> Bool {
    guard let victim = index.takeVictim() else { return false }
    let wasThere = victim.isLast ? removeFile(victim.page.id, in: folder) : erase(victim.page, in: folder)
    index.freed(victim.cost)
    // What others that share the folder have evicted they have counted.
    counted(wasThere || !configuration.isShared ? -victim.cost : 0)
    statistics.add(\.evictions)
    return true
  }

  private func erase(_ page: PageIndex.Page, in folder: PageFolder) -> Bool {
    var file = openFile(page.id)?.openedFile
    if file == nil, case .file(let found)? = try? PageFile.open(page.id, identity: nil, in: folder) { file = found }
    guard let file, file.isWritable, Int64(page.page) < file.layout.pageCount else { return false }
    if configuration.isShared, !file.isPresent(page: Int64(page.page)) { return false }
    do throws(Errno) {
      if try file.erase(page: Int64(page.page)) { return true }
      // No holes on this file system: the file goes whole.
      counted(-index.remove(page.id))
      return removeFile(page.id, in: folder)
    } catch {
      disk.writeFailed(error)
      return false
    }
  }

  /// Removes a version's file; who has it open here misses. - Returns: whether it was there.
  @discardableResult
  func removeFile(_ id: FileVersionID, in folder: PageFolder) -> Bool {
    let file = openFile(id)
    let opened = file?.openedFile
    do throws(Errno) {
      let wasThere = try folder.pages.exists(id)
      try folder.remove(id)
      // Its bytes would stay as long as somebody has it open.
      if let opened, opened.isWritable { try? opened.descriptor.truncate(to: 0) }
      file?.forget(opened)
      return wasThere
    } catch {
      disk.writeFailed(error)
      file?.forget(opened)
      return false
    }
  }
}

extension Descriptor {
  fileprivate borrowing func exists(_ id: FileVersionID) throws(Errno) -> Bool {
    do throws(Errno) {
      _ = try status(name: id.pathName)
      return true
    } catch .noSuchFileOrDirectory {
      return false
    }
  }
}

/// Bytes that all processes together have in a folder, in the file `usage-1`, under a lock of its open file description.
/// What crashes leave in it is put right by the next scan.
struct SharedUse: ~Copyable, Sendable {
  private static let name = Array("usage-1".utf8) + [0]
  private let file: Descriptor

  init(_ folder: borrowing Descriptor) throws(Errno) {
    file = try folder.open(name: Self.name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, mode: 0o660)
  }

  /// - Returns: the new sum.
  @discardableResult
  borrowing func add(_ bytes: Int64) throws(Errno) -> Int64 { try change { max(0, $0 &+ bytes) } }

  borrowing func set(_ bytes: Int64) throws(Errno) { _ = try change { _ in bytes } }

  borrowing func total() throws(Errno) -> Int64 { try read() }

  /// Others hold the lock for as long as a write takes. One that keeps it longer makes the sum wrong until the next scan,
  /// and keeps nobody.
  private borrowing func lock() throws(Errno) {
    for _ in 0..<100 {
      do throws(Errno) { return try RangeLock.take(0, of: file) } catch {
        guard error == .resourceTemporarilyUnavailable else { throw error }
        Deadline.after(.milliseconds(1)).wait()
      }
    }
    throw .timedOut
  }

  private borrowing func change(_ body: (Int64) -> Int64) throws(Errno) -> Int64 {
    try lock()
    defer { RangeLock.release(0, of: file) }
    let sum = body(try read())
    var bytes: [UInt8] = []
    bytes.append(littleEndian: UInt64(bitPattern: sum))
    _ = try file.write(bytes, range: 0..<8, at: 0)
    return sum
  }

  private borrowing func read() throws(Errno) -> Int64 {
    let bytes = try file.bytes(at: 0, count: 8)
    guard bytes.count == 8 else { return 0 }
    return max(0, Int64(bitPattern: bytes.littleEndian(at: 0)))
  }
}
