package import HTTP
import Synchronization

/// Takes the content of a range, in order and without a gap, whatever happens to the connection meanwhile.
package protocol ObjectContentSink: AnyObject, Sendable {
  /// Called on the HTTP client's thread, with the request's lock held: it must not wait, and not ask the request for
  /// anything. After the request's completion it is not called.
  /// - Parameter offset: of the first byte in the object.
  func receive(_ bytes: RawSpan, at offset: UInt64) -> HTTPReception
}

/// What is known after a range was read.
package struct RangeResult: Sendable, Hashable {
  /// Bytes that were delivered; less than was asked for only at the end of the object.
  package var count: UInt64
  /// Of the version that all of them belong to.
  package var info: ObjectInfo

  package init(count: UInt64, info: ObjectInfo) {
    self.count = count
    self.info = info
  }
}

/// A range that is read in one or more attempts, each going on where the one before ended. All of them read one version: the
/// caller's, or else that of the first answer.
private final class RangeProgress: Sendable {
  struct State {
    var delivered: UInt64 = 0
    var info: ObjectInfo?
    /// Behind the last byte of the answer under way, as its head says.
    var end: UInt64 = 0
    var hasProgressed = false
  }

  let offset: UInt64
  let count: UInt64
  let version: EntityTag?
  let sink: any ObjectContentSink
  let state = Mutex(State())

  init(offset: UInt64, count: UInt64, version: EntityTag?, sink: any ObjectContentSink) {
    self.offset = offset
    self.count = count
    self.version = version
    self.sink = sink
  }

  var fields: [HTTPField] {
    let (delivered, tag) = state.withLock { ($0.delivered, version ?? $0.info?.entityTag) }
    return [HTTPField("Range", "bytes=\(offset + delivered)-\(offset + count - 1)")]
      + (tag.map { [HTTPField("If-Match", $0.quoted)] } ?? [])
  }

  /// Bytes that are still wanted of an object of this size.
  func wanted(_ state: State, of size: UInt64) -> UInt64 {
    min(offset + count, size) - min(offset + state.delivered, size)
  }

  /// The result where nothing is missing.
  var result: RangeResult? {
    state.withLock { state in
      guard let info = state.info, wanted(state, of: info.size) == 0 else { return nil }
      return RangeResult(count: state.delivered, info: info)
    }
  }

  /// Checks the head of an answer and notes what it says.
  func begin(_ head: HTTPResponseHead) throws(ReplyProblem) {
    let tag = head["ETag"].map(EntityTag.init)
    // Some services ignore If-Match. An answer without a tag may be that to another request.
    if let version {
      guard let tag else { throw .malformed("no ETag") }
      if tag != version { throw .otherVersion }
    }
    let size: UInt64
    let end: UInt64
    let delivered = state.withLock { $0.delivered }
    // rclone says 200 for a part, too.
    if let field = head["Content-Range"] ?? (head.status == 206 ? "" : nil) {
      guard let range = ContentRange(field) else { throw .malformed("a bad Content-Range") }
      guard range.first == offset + delivered, range.last < offset + count else {
        throw .malformed("another range than was asked for")
      }
      if let length = head.contentLength, length != range.last - range.first + 1 {
        throw .malformed("a length that is not its range's")
      }
      (size, end) = (range.size, range.last + 1)
    } else {
      // The service ignores ranges: from the start on that does no harm.
      guard offset + delivered == 0, let length = head.contentLength else { throw .malformed("no range") }
      (size, end) = (length, length)
    }
    let info = ObjectInfo(head, size: size)
    let isSame = state.withLock { state in
      if let first = state.info, first.entityTag != info.entityTag || first.size != size { return false }
      state.info = info
      state.end = end
      return true
    }
    if !isSame { throw .otherVersion }
  }

  func deliver(_ bytes: RawSpan) throws(ReplyProblem) -> HTTPReception {
    let (at, wanted, end): (UInt64, UInt64, UInt64) = state.withLock { state in
      (offset + state.delivered, state.info.map { self.wanted(state, of: $0.size) } ?? 0, state.end)
    }
    let taken = min(UInt64(bytes.byteCount), wanted)
    guard at + taken <= end else { throw .malformed("the answer is longer than it said") }
    guard taken > 0 else { return .stop }
    let answer = sink.receive(bytes.extracting(0..<Int(taken)), at: at)
    state.withLock { state in
      state.delivered += taken
      state.hasProgressed = true
    }
    // What comes behind the range is not read.
    return taken < UInt64(bytes.byteCount) ? .stop : answer
  }
}

private struct RangeReader: ReplyReader {
  let progress: RangeProgress

  mutating func receive(_ bytes: RawSpan) throws(ReplyProblem) -> HTTPReception {
    try progress.deliver(bytes)
  }

  mutating func finish() throws(ReplyProblem) -> RangeResult {
    guard let result = progress.result else { throw .malformed("the answer is shorter than it said") }
    return result
  }
}

extension ObjectRequest where Value == RangeResult {
  /// GET of a range into a sink.
  /// - Parameters:
  ///   - count: at least 1.
  ///   - version: that all bytes must belong to; without it, they belong to one version all the same.
  package static func get(
    _ key: ObjectKey, offset: UInt64, count: UInt64, ifMatch version: EntityTag? = nil,
    into sink: any ObjectContentSink
  ) -> Self {
    let progress = RangeProgress(offset: offset, count: count, version: version, sink: sink)
    return Self(
      operation: .get, method: "GET", key: key, fields: { progress.fields },
      reader: { (head) throws(ReplyProblem) in
        try progress.begin(head)
        return RangeReader(progress: progress)
      }, salvage: { progress.result },
      hasProgressed: {
        progress.state.withLock { state in
          defer { state.hasProgressed = false }
          return state.hasProgressed
        }
      })
  }
}

/// `bytes first-last/size`. RFC 9110, 14.4.
package struct ContentRange: Sendable, Hashable {
  /// Offsets of the first and the last byte, and the size of the whole.
  package let first: UInt64
  package let last: UInt64
  package let size: UInt64

  /// nil for anything else, an unknown size too.
  package init?(_ text: String) {
    guard text.hasPrefix("bytes ") else { return nil }
    let parts = text.dropFirst(6).split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2 else { return nil }
    let ends = parts[0].split(separator: "-", omittingEmptySubsequences: false)
    guard ends.count == 2, let first = Self.number(ends[0]), let last = Self.number(ends[1]),
      let size = Self.number(parts[1]), first <= last, last < size
    else { return nil }
    (self.first, self.last, self.size) = (first, last, size)
  }

  private static func number(_ text: Substring) -> UInt64? {
    guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = UInt64(text), number <= UInt64(Int64.max)
    else { return nil }
    return number
  }
}

/// `Retry-After`: seconds or a date. RFC 9110, 10.2.3.
enum RetryAfter {
  /// Longer waits are cut: a deadline ends them anyway.
  private static let longest: Int64 = 3600

  static func duration(_ text: String, at now: UTCTime) -> Duration? {
    if text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let seconds = Int64(text) {
      return .seconds(min(seconds, longest))
    }
    return UTCTime(httpDate: text).map { .seconds(min(longest, max(0, $0.seconds - now.seconds))) }
  }
}
