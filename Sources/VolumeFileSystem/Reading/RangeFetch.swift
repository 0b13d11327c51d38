import LinuxSystem
import SystemPackage
import UnderFileSystem

/// One request for bytes, which go to page buffers as they come. Its state belongs to its file's lock, but for the position
/// and the buffers' grains, which belong to whoever calls the sink.
final class RangeFetch: RangeSink, @unchecked Sendable {
  // SAFETY (Sendable): `position` is touched by one thread at a time, as sinks are called; the rest under the lock of
  // `reader`.
  let range: Range<Int64>
  private let reader: FileReader
  /// Of the pages of the range, in their order.
  let buffers: [PageBuffer]
  private(set) var position: Int64

  var transfer: (any RangeTransfer)?
  var isCancelled = false
  var isDone = false
  /// Of who waits for it.
  var error: Errno?
  /// What its first bytes prove; nil where nothing is to be proved, or was.
  var question: ReadProofs.Question?

  init(_ range: Range<Int64>, into buffers: [PageBuffer], of reader: FileReader) {
    self.range = range
    self.buffers = buffers
    self.reader = reader
    position = range.lowerBound
  }

  func receive(_ bytes: RawSpan) -> Bool {
    let count = Int(min(Int64(bytes.byteCount), range.upperBound - position))
    var done = 0
    while done < count {
      let page = reader.grid.page(at: position)
      let buffer = buffers[Int(page - reader.grid.page(at: range.lowerBound))]
      let part = min(count - done, Int(reader.grid.end(of: page) - position))
      let place = buffer.cell * reader.pool.cellSize + Int(position - reader.grid.start(of: page))
      reader.pool.memory.write(bytes.extracting(done..<done + part), at: place)
      let wasCancelled = reader.arrived(self, buffer, position..<position + Int64(part))
      position += Int64(part)
      done += part
      if wasCancelled { return false }
    }
    // More than was asked for is nobody's.
    return count == bytes.byteCount
  }

  func finish(_ error: Errno?) {
    reader.finished(self, position == range.upperBound ? nil : error ?? .shortRange)
  }
}
