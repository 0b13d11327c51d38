import LinuxSystem

/// Bytes of one read that stay where they are, in the pool's memory, until this is let go of: what would be a copy of every
/// byte that is read.
///
/// Its pages count as used meanwhile, so that it must not outlive the answer to its read.
package final class LentBytes: @unchecked Sendable {
  // SAFETY (Sendable): it is put together by one thread, and nothing changes later; the bytes belong to their file's users,
  // of whom it is one.
  private let reader: FileReader
  private var parts: [(page: PageBuffer, range: Range<Int64>)] = []

  init(_ reader: FileReader) { self.reader = reader }

  deinit { giveBack() }

  /// A page that is in memory, whose user it is from now on.
  func add(_ page: PageBuffer, _ range: Range<Int64>) { parts.append((page, range)) }

  /// Bytes in all parts.
  package var byteCount: Int { parts.reduce(0) { $0 + $1.range.count } }

  /// The parts in their order. Their bytes stay as they are as long as this object.
  package func forEachPart(_ body: (RawSpan) -> Void) {
    for (page, range) in parts {
      reader.pool.memory.withBytes(at: place(page, range), count: range.count, body)
    }
  }

  /// Copies them to where they belong in a buffer that begins at `start` of the file, and gives them back.
  func move(into buffer: inout MutableRawSpan, from start: Int64) {
    for (page, range) in parts {
      let target = Int(range.lowerBound - start)..<Int(range.upperBound - start)
      reader.pool.memory.read(into: &buffer, range: target, at: place(page, range))
    }
    giveBack()
  }

  private func place(_ page: PageBuffer, _ range: Range<Int64>) -> Int {
    page.cell * reader.pool.cellSize + Int(range.lowerBound - reader.grid.start(of: page.page))
  }

  private func giveBack() {
    for (page, range) in parts { reader.finished(range, of: page) }
    parts = []
  }
}

/// What a read has got.
package enum ReadAnswer {
  /// So many bytes at the start of the buffer.
  case copied(Int)
  /// All that was asked for, or as much as the file has.
  case lent(LentBytes)
}
