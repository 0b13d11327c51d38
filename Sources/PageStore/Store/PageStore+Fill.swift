import LinuxSystem
import Synchronization
import SystemPackage

extension PageStore {
  /// Whether a page of this length may be begun.
  func takesFills(of length: Int) -> Bool {
    disk.mayWrite && PageLayout.cost(pageLength: length) <= limit && !fills.isFull(for: length) && folder() != nil
  }

  func abandon(_ flight: Flights.Flight) { flights.endUnlessArrived(flight) }

  func commit(_ flight: Flights.Flight, _ content: any PageContent) {
    flights.arrived(flight, with: content)
    let isAdded = fills.add(bytes: content.byteCount) {
      if !self.write(flight.file, page: flight.page, content) { self.statistics.add(\.droppedFills) }
      self.flights.end(flight)
    }
    if !isAdded {
      statistics.add(\.droppedFills)
      flights.end(flight)
    }
  }

  /// On a thread of the queue. - Returns: false when the page is not on disk now.
  private func write(_ file: CachedFile, page: Int64, _ content: any PageContent) -> Bool {
    guard disk.mayWrite, let layout = file.layout, let folder = folder() else { return false }
    let place = PageIndex.Page(id: file.id, page: UInt32(page), size: layout.size)
    // Counted before it is written, so that all threads together stay below the limit.
    if index.insert(place) { counted(layout.cost(page: page)) }
    guard makeRoom(in: folder, for: layout.cost(page: page)), index.contains(file.id, page: page) else {
      uncount(file.id, page: page)
      return false
    }
    do throws(Errno) {
      try writeBytes(file, page: page, content, in: folder)
      disk.writeSucceeded()
      if !index.contains(file.id, page: page) {
        // Evicted before it was written: nobody would ever take it away.
        if let target = file.openedFile { _ = try target.erase(page: page) }
        return false
      }
      statistics.filled(bytes: content.byteCount)
      orderChanged(folder)
      return true
    } catch {
      uncount(file.id, page: page)
      failed(error, file, page: page, in: folder)
      return false
    }
  }

  private func writeBytes(
    _ file: CachedFile, page: Int64, _ content: any PageContent, in folder: PageFolder
  ) throws(Errno) {
    var onlyPage: [UInt8]?
    if file.layout?.isSmall == true { content.withBytes { onlyPage = $0.bytes } }
    let (target, isFilled) = try file.fileForFill(onlyPage: onlyPage, in: folder)
    if isFilled { return }
    var result: Result<Void, Errno> = .success(())
    content.withBytes { bytes in
      do throws(Errno) { try target.fill(page: page, with: bytes) } catch { result = .failure(error) }
    }
    try result.get()
  }

  /// Gives back what a failed write may hold, and lets the disk rest.
  private func failed(_ error: Errno, _ file: CachedFile, page: Int64, in folder: PageFolder) {
    disk.writeFailed(error)
    if let target = file.openedFile {
      _ = try? target.erase(page: page)
    } else if !index.contains(file.id) {
      // Made in part, perhaps: without a footer it is nobody's.
      try? folder.remove(file.id)
    }
    guard error == .noSpace || error == .diskQuotaExceeded else { return }
    evictor.withLock { _ in _ = evict(atLeast: 2 * PageLayout.cost(pageLength: file.pageLength(page)), in: folder) }
  }

  private func uncount(_ id: FileVersionID, page: Int64) {
    if let cost = index.remove(id, page: page) { counted(-cost) }
  }

  // MARK: What is not right

  /// A page that is not what its checksums say, or cannot be read. Its place is cleared later, by another thread.
  func dropBadPage(_ file: CachedFile, file opened: PageFile, page: Int64) {
    let key = file.id.key(page: page)
    guard dropping.withLock({ $0.insert(key).inserted }) else { return }
    statistics.add(\.badPages)
    let isAdded = fills.add(bytes: 0) {
      self.uncount(file.id, page: page)
      if opened.isWritable {
        let isErased = (try? opened.erase(page: page)) ?? false
        if !isErased { self.dropFileNow(file.id) }
      }
      self.dropping.withLock { _ = $0.remove(key) }
    }
    if !isAdded { dropping.withLock { _ = $0.remove(key) } }
  }

  /// What has the version's name and is not its file.
  func dropFile(_ id: FileVersionID) {
    statistics.add(\.foreignFiles)
    _ = fills.add(bytes: 0) { self.dropForeignNow(id) }
  }

  /// Looks again: a fill may have replaced it meanwhile.
  private func dropForeignNow(_ id: FileVersionID) {
    guard let folder = folder(), disk.mayWrite else { return }
    if case .foreign? = try? PageFile.open(id, identity: openFile(id)?.identity, in: folder) { dropFileNow(id) }
  }

  func dropFileNow(_ id: FileVersionID) {
    counted(-index.remove(id))
    guard let folder = folder() else { return }
    removeFile(id, in: folder)
  }
}
