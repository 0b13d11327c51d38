import LinuxSystem
package import PageStore

/// A file version whose bytes follow from its number.
package struct PageSample: Sendable, Hashable {
  /// Tells its bytes and its path from those of the others.
  package var number: Int
  package var size: Int64

  package init(_ number: Int, size: Int64) {
    self.number = number
    self.size = size
  }

  /// As an object of a bucket.
  package var version: FileVersion {
    FileVersion(
      underFileSystem: Array("s3://bucket".utf8), path: Array("data/\(number)".utf8),
      revision: .etag(Array("etag-\(size)".utf8)), size: size)
  }

  /// Its bytes in `range`, as far as it has them.
  package func bytes(_ range: Range<Int64>) -> [UInt8] {
    let end = min(range.upperBound, size)
    guard range.lowerBound < end else { return [] }
    let first = range.lowerBound & ~7
    var bytes: [UInt8] = []
    bytes.reserveCapacity(Int(end - first) + 8)
    var offset = first
    while offset < end {
      var word = UInt64(bitPattern: offset) &* 0x9E37_79B9_7F4A_7C15 &+ UInt64(number) &* 0xD6E8_FEB8_6659_FD93
      word = (word ^ (word >> 29)) &* 0xBF58_476D_1CE4_E5B9
      for _ in 0..<8 {
        bytes.append(UInt8(truncatingIfNeeded: word >> 24))
        word = word << 8 | word >> 56
      }
      offset += 8
    }
    return Array(bytes[Int(range.lowerBound - first)..<Int(end - first)])
  }

  /// One page of it.
  package func page(_ page: Int64, pageSize: Int) -> [UInt8] {
    bytes(page * Int64(pageSize)..<(page + 1) * Int64(pageSize))
  }
}

/// Reads a sample as a file system would: what the store lacks is fetched and handed to it.
package struct PageReader: Sendable {
  package let file: CachedFile
  package let sample: PageSample
  package let pageSize: Int

  package init(_ sample: PageSample, in store: PageStore, pageSize: Int) {
    self.sample = sample
    self.pageSize = pageSize
    file = store.open(sample.version)
  }

  /// What the cache has from `offset` on, and nothing else.
  package func cached(_ offset: Int64, _ count: Int) -> [UInt8] {
    var bytes = [UInt8](repeating: 0xAA, count: count)
    var span = bytes.mutableSpan
    var raw = span.mutableBytes
    let got = file.read(into: &raw, at: offset)
    return Array(bytes.prefix(got))
  }

  /// The bytes, and how many pages had to be fetched from the sample.
  package func read(
    _ offset: Int64, _ count: Int, waiting limit: Duration = .seconds(60)
  ) -> (bytes: [UInt8], fetched: Int) {
    var bytes: [UInt8] = []
    var fetched = 0
    let wanted = Int(max(0, min(Int64(count), sample.size - offset)))
    while bytes.count < wanted {
      let place = offset + Int64(bytes.count)
      let part = cached(place, wanted - bytes.count)
      bytes += part
      if bytes.count == wanted { break }
      let missing = offset + Int64(bytes.count)
      let page = missing / Int64(pageSize)
      guard let content = bring(page, limit, &fetched) else { continue }
      let within = Int(missing - page * Int64(pageSize))
      bytes += content[within..<min(content.count, within + wanted - bytes.count)]
    }
    return (bytes, fetched)
  }

  /// The page; nil when it may be in the cache now.
  private func bring(_ page: Int64, _ limit: Duration, _ fetched: inout Int) -> [UInt8]? {
    switch file.beginFill(page: page) {
    case .ours(let fill):
      let content = sample.page(page, pageSize: pageSize)
      fetched += 1
      fill.commit(PageBytes(content))
      return content
    case .elsewhere(let wait):
      switch wait.wait(until: .after(limit)) {
      case .bytes(let content):
        var bytes: [UInt8] = []
        content.withBytes { bytes = $0.bytes }
        return bytes
      case .tryAgain: return nil
      case .timedOut: break
      }
    case .refused: break
    }
    fetched += 1
    return sample.page(page, pageSize: pageSize)
  }

  /// Whether the whole version reads right.
  package func readsRight() -> Bool { read(0, Int(sample.size)).bytes == sample.bytes(0..<sample.size) }
}
