import Glibc
import LinuxSystem
import Synchronization
import SystemPackage

/// The order of eviction as a file: what it says is a hint. All integers little-endian: magic `ALXORDR1`, u32 page size, u32 0,
/// u64 number of entries, entries of 32 bytes (number 16, size 8, page 4, queue 1, reads 1, 2 bytes 0), u64 checksum.
enum OrderFile {
  static let name = Array("order-1".utf8) + [0]
  static let temporaryName = Array("order-1.new".utf8) + [0]
  private static let magic: UInt64 = 0x3152_4452_4F58_4C41
  private static let headerSize = 24
  private static let entrySize = 32
  /// Larger files are no order of ours.
  static let maximumSize: Int64 = 256 << 20

  typealias Entry = (page: PageIndex.Page, queue: S3FIFO<Void>.Queue, reads: UInt8)

  static func encode(pageSize: Int, _ index: PageIndex) -> [UInt8] {
    var bytes: [UInt8] = []
    var count: UInt64 = 0
    bytes.append(littleEndian: magic)
    bytes.append(littleEndian: UInt64(pageSize))
    bytes.append(littleEndian: UInt64(0))
    index.forEach { page, queue, reads in
      bytes.append(littleEndian: page.id.high)
      bytes.append(littleEndian: page.id.low)
      bytes.append(littleEndian: UInt64(page.size))
      bytes.append(littleEndian: page.page)
      bytes += [queue.rawValue, reads, 0, 0]
      count += 1
    }
    for index in 0..<8 { bytes[16 + index] = UInt8(truncatingIfNeeded: count >> UInt64(8 * index)) }
    bytes.append(littleEndian: PageChecksum.block(bytes, seed: magic))
    return bytes
  }

  /// - Returns: nil for what is no order of a store with this page size.
  static func decode(_ bytes: [UInt8], pageSize: Int) -> [Entry]? {
    guard bytes.count >= headerSize + 8, bytes.littleEndian(UInt64.self, at: 0) == magic,
      bytes.littleEndian(UInt64.self, at: 8) == UInt64(pageSize),
      let count = Int(exactly: bytes.littleEndian(UInt64.self, at: 16)),
      count <= bytes.count / entrySize, bytes.count == headerSize + count * entrySize + 8,
      bytes.littleEndian(UInt64.self, at: bytes.count - 8)
        == PageChecksum.block(bytes, count: bytes.count - 8, seed: magic)
    else { return nil }
    var entries: [Entry] = []
    entries.reserveCapacity(count)
    for index in 0..<count {
      let start = headerSize + index * entrySize
      let id = FileVersionID(high: bytes.littleEndian(at: start), low: bytes.littleEndian(at: start + 8))
      let size = Int64(exactly: bytes.littleEndian(UInt64.self, at: start + 16))
      let page = bytes.littleEndian(UInt32.self, at: start + 24)
      guard let size, size > 0, size <= PageLayout.maximumSize, Int64(page) * Int64(pageSize) < size,
        let queue = S3FIFO<Void>.Queue(rawValue: bytes[start + 28])
      else { return nil }
      entries.append((PageIndex.Page(id: id, page: page, size: size), queue, bytes[start + 29]))
    }
    return entries
  }
}

extension PageStore {
  func loadOrder(_ folder: PageFolder) {
    guard let file = try? folder.root.open(name: OrderFile.name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK),
      let status = try? file.status(), status.type == S_IFREG, status.size <= OrderFile.maximumSize,
      let bytes = try? file.readToEnd(limit: Int(OrderFile.maximumSize)),
      let entries = OrderFile.decode(bytes, pageSize: configuration.pageSize)
    else { return }
    for entry in entries { index.insert(entry.page, past: (entry.queue, entry.reads)) }
  }

  /// After a fill: writes the order when a quarter of the pages, and 256 at least, are new since.
  func orderChanged(_ folder: PageFolder) {
    let new = changes.add(1, ordering: .relaxed).newValue
    guard new >= max(256, index.count.load(ordering: .relaxed) / 4) else { return }
    guard changes.compareExchange(expected: new, desired: 0, ordering: .relaxed).exchanged else { return }
    saveOrder(folder)
  }

  /// What fails here costs the order and nothing else.
  func saveOrder(_ folder: PageFolder) {
    let bytes = OrderFile.encode(pageSize: configuration.pageSize, index)
    do throws(Errno) {
      let flags = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK
      let file = try folder.root.open(
        name: OrderFile.temporaryName, flags, mode: configuration.isShared ? 0o660 : 0o600)
      let half = bytes.count / 2
      guard try file.write(bytes, range: 0..<half, at: 0) == half else { return }
      try folder.reach(.middleOfOrder)
      guard try file.write(bytes, range: half..<bytes.count, at: Int64(half)) == bytes.count - half else { return }
      try folder.reach(.beforeOrderRename)
      try folder.root.rename(name: OrderFile.temporaryName, to: folder.root, name: OrderFile.name, flags: 0)
    } catch {
      try? folder.root.remove(name: OrderFile.temporaryName, directory: false)
    }
  }
}
