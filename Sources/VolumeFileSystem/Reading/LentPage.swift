import LinuxSystem
import Synchronization

/// A whole page in the pool's memory, lent to a page store until it lets go of this object.
package final class LentPage: @unchecked Sendable {
  // SAFETY (Sendable): nothing here changes; the buffer belongs to its file's lock, and its bytes to nobody else meanwhile
  // who would change them.
  private let buffer: PageBuffer
  private let reader: FileReader
  private let loans: PageLoans
  /// The page's length.
  package let byteCount: Int

  /// The buffer counts this as a user already.
  init(_ buffer: PageBuffer, of reader: FileReader, _ loans: PageLoans) {
    self.buffer = buffer
    self.reader = reader
    self.loans = loans
    byteCount = reader.grid.length(of: buffer.page)
  }

  deinit {
    loans.end()
    reader.returned(buffer)
  }

  /// Lends the bytes for the time of the call.
  package func withBytes(_ body: (RawSpan) -> Void) {
    reader.pool.memory.withBytes(at: buffer.cell * reader.pool.cellSize, count: byteCount, body)
  }
}

/// How many pages of a pool are lent at a time, so that a slow disk takes no room from readers.
final class PageLoans: Sendable {
  private let limit: Int
  private let count = Atomic(0)

  init(limit: Int) { self.limit = limit }

  /// - Returns: false when too many are lent.
  func begin() -> Bool {
    if count.add(1, ordering: .relaxed).newValue <= limit { return true }
    end()
    return false
  }

  func end() { count.subtract(1, ordering: .relaxed) }
}
