package import LinuxSystem
import Synchronization
import SystemPackage

/// Versions as files without a tail, for a kernel that reads them itself, past this store and its checksums. They are
/// written from pages, and checked once on the way.
extension PageStore {
  /// At most this part of what the store may take: pages are what everything else is read from.
  private var wholeLimit: Int64 { limit / 2 }

  /// Bytes at a time, and until what is written goes to the disk: a cgroup that is full of unwritten pages stops everybody.
  private static let pieceSize = 256 << 10
  private static let flushSize: Int64 = 16 << 20

  /// The version in a file of its own, open for reading; nil when there is none. Looked for on the
  /// caller's thread, unless reads of the disk rest.
  package func wholeFile(of version: FileVersion) -> SharedDescriptor? {
    guard configuration.keepsWhole, disk.mayRead, let folder = wholeFolder() else { return nil }
    let identity = version.identity(pageSize: configuration.pageSize)
    let id = FileVersionID(identity: identity)
    do throws(Errno) {
      guard let file = try folder.open(id, identity: identity, size: version.size) else {
        statistics.add(\.foreignFiles)
        try folder.remove(id)
        whole.remove(id)
        return nil
      }
      let now = WallClock.coarseNanoseconds
      WholeFolder.touch(file)
      whole.used(id, at: now)
      return SharedDescriptor(file)
    } catch {
      // Also what the plugin has taken away.
      if error == .noSuchFileOrDirectory { whole.remove(id) }
      return nil
    }
  }

  /// Writes such a file in the background, where all pages are there and there is room.
  package func keepWhole(_ version: FileVersion) {
    guard configuration.keepsWhole, disk.mayWrite else { return }
    guard !whole.contains(FileVersionID(of: version, pageSize: configuration.pageSize)), whole.ask(version) else {
      return
    }
    do throws(Errno) {
      try DetachedThread.start(name: "page-whole", stackSize: 512 << 10) {
        while let version = self.whole.next() { self.writeWhole(version) }
      }
    } catch {
      whole.startFailed()
    }
  }

  /// Waits until no such file is being written. - Returns: false when the deadline passed first.
  @discardableResult
  package func drainWhole(until deadline: Deadline) -> Bool { whole.drain(until: deadline) }

  /// With the store's listing: what is there from before.
  func scanWhole(_ pages: PageFolder) {
    guard configuration.keepsWhole else { return WholeFolder.clear(in: pages) }
    guard let folder = wholeFolder() else { return }
    try? folder.forEach { id, bytes, lastUse in whole.add(id, WholeFiles.Entry(bytes: bytes, lastUse: lastUse)) }
    counted(0)
  }

  // MARK: Writing

  private func writeWhole(_ version: FileVersion) {
    let file = open(version)
    guard disk.mayWrite, !whole.contains(file.id), let layout = file.layout, let folder = folder(),
      let target = wholeFolder(), (0..<layout.pageCount).allSatisfy({ file.contains(page: $0) })
    else { return }
    let cost = WholeFolder.cost(of: version.size)
    guard makeWholeRoom(for: cost, in: target) else { return }
    // Counted before it is written, as pages are.
    whole.add(file.id, WholeFiles.Entry(bytes: cost, lastUse: WallClock.coarseNanoseconds))
    counted(0)
    guard makeRoom(in: folder, for: cost) else { return forgetWhole(file.id) }
    do throws(Errno) {
      let new = try target.begin()
      guard try copy(file, to: new) else {
        target.abandon()
        return forgetWhole(file.id)
      }
      try target.end(new, file.id, identity: file.identity)
      disk.writeSucceeded()
    } catch {
      target.abandon()
      forgetWhole(file.id)
      if error == .notSupported { return whole.turnOff() }
      disk.writeFailed(error)
    }
  }

  private func forgetWhole(_ id: FileVersionID) {
    whole.remove(id)
    counted(0)
  }

  private func makeWholeRoom(for cost: Int64, in folder: WholeFolder) -> Bool {
    let (fits, victims) = whole.makeRoom(for: cost, limit: wholeLimit, at: WallClock.coarseNanoseconds)
    for id in victims {
      do throws(Errno) { try folder.remove(id) } catch { disk.writeFailed(error) }
      statistics.add(\.evictions)
    }
    if !victims.isEmpty { counted(0) }
    return fits
  }

  /// - Returns: false when a page is not there any more, is not right, or the store is being closed.
  private func copy(_ file: CachedFile, to target: borrowing Descriptor) throws(Errno) -> Bool {
    var buffer = [UInt8](repeating: 0, count: Self.pieceSize)
    var done: Int64 = 0
    var flushed: Int64 = 0
    while done < file.version.size {
      if whole.shallStop { return false }
      let count = Int(min(Int64(Self.pieceSize), file.version.size - done))
      let got = buffer.withMutableRawSpan { file.readAside(into: &$0, count: count, at: done) }
      guard got == count else { return false }
      guard try target.write(buffer, range: 0..<count, at: done) == count else { throw .noSpace }
      done += Int64(count)
      if done - flushed >= Self.flushSize {
        try target.synchronize()
        flushed = done
      }
    }
    return true
  }
}
