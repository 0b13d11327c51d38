/// Recognises who reads a file from front to back, and says what to ask for: a value, told of each read. Offsets in bytes.
///
/// The kernel sends several reads at once and its readers take them in any order, so a read belongs to a stream when it is
/// near to where that goes on. A stream's window is how far ahead of it bytes are asked for.
struct ReadAheadWindow: Sendable {
  struct Limits: Sendable, Hashable {
    /// A file up to this size is asked for as a whole.
    var smallFile: Int64 = 1 << 20
    /// What a reader at the start of a file gets at once.
    var first: Int64 = 1 << 20
    /// The first window of a stream, at least.
    var smallestWindow: Int64 = 128 << 10
    /// What a random read asks for at least.
    var random: Int64 = 64 << 10
    /// One request.
    var smallestRequest: Int64 = 1 << 20
    var largestRequest: Int64 = 8 << 20
    var streams = 6
    /// Ends of windows are multiples of it.
    var unit: Int64 = 1 << 20
  }

  enum Pattern: Sendable, Hashable {
    /// The whole file is asked for.
    case whole
    /// From the start on, or a place where somebody reads on.
    case sequential
    case random
  }

  struct Advice: Sendable, Hashable {
    var pattern: Pattern
    /// What to ask for when what is read is absent; holds what is read.
    var demand: Range<Int64>
    /// What should be on its way besides, in requests of `request` bytes.
    var ahead: Range<Int64>?
    var request: Int64 = 1 << 20
    /// What a stream had asked for that is followed no more.
    var abandoned: Range<Int64>?
  }

  private struct Stream: Sendable {
    /// End of what was read.
    var next: Int64
    /// End of what was asked for.
    var edge: Int64
    /// 0: not read on yet.
    var window: Int64 = 0
    var lastUse: UInt64
    /// Something was asked for ahead.
    var hasAsked = false
    /// Read on since somebody else's last random read.
    var hasMoved = true
  }

  let size: Int64
  let limits: Limits
  private var streams: [Stream] = []
  private var tick: UInt64 = 0

  init(size: Int64, limits: Limits = Limits()) {
    self.size = size
    self.limits = limits
  }

  /// Farthest distance of a read from the place where its stream goes on.
  static func slack(of count: Int64) -> Int64 { min(max(8 * count, 32 << 10), 4 << 20) }

  /// - Parameters:
  ///   - range: within the file, not empty.
  ///   - limit: of a window; 0: nothing is asked for ahead.
  mutating func read(_ range: Range<Int64>, limit: Int64) -> Advice {
    guard size > limits.smallFile else { return Advice(pattern: .whole, demand: 0..<size) }
    tick += 1
    if let index = stream(near: range) { return follow(index, range, limit) }
    return begin(range)
  }

  /// There was no room to ask for what an advice had ahead from `offset` on: the next read asks again.
  mutating func notAsked(from offset: Int64, of ahead: Range<Int64>) {
    for index in streams.indices where streams[index].edge == ahead.upperBound {
      streams[index].edge = max(min(offset, ahead.upperBound), min(streams[index].next, ahead.upperBound))
    }
  }

  private func stream(near range: Range<Int64>) -> Int? {
    let slack = Self.slack(of: Int64(range.count))
    var best: (index: Int, distance: Int64)?
    for index in streams.indices {
      let distance = abs(range.lowerBound - streams[index].next)
      // Bytes that were asked for belong to who asked.
      let isAhead = range.lowerBound >= streams[index].next && range.lowerBound < streams[index].edge
      guard distance <= slack || isAhead && streams[index].window > 0 else { continue }
      if best.map({ distance < $0.distance }) ?? true { best = (index, distance) }
    }
    return best?.index
  }

  private mutating func follow(_ index: Int, _ range: Range<Int64>, _ limit: Int64) -> Advice {
    streams[index].lastUse = tick
    let page = (range.upperBound + limits.unit - 1) / limits.unit * limits.unit
    var advice = Advice(
      pattern: .sequential,
      demand: range.lowerBound..<max(range.upperBound, min(size, page, range.upperBound + limits.first)))
    // Out of order, or once more.
    guard range.upperBound > streams[index].next else { return advice }
    streams[index].next = range.upperBound
    streams[index].hasMoved = true
    let (next, edge) = (range.upperBound, streams[index].edge)
    guard limit > 0, edge < size, next + streams[index].window / 2 >= edge || streams[index].window == 0 else {
      return advice
    }
    let first = min(max(4 * Int64(range.count), limits.smallestWindow), limits.first)
    let window = min(streams[index].window == 0 ? first : streams[index].window * 2, limit)
    streams[index].window = window
    let end = min(size, (next + window + limits.unit - 1) / limits.unit * limits.unit)
    guard end > max(edge, next) else { return advice }
    streams[index].edge = end
    streams[index].hasAsked = true
    advice.ahead = max(edge, next)..<end
    advice.request = min(max(window / 4, limits.smallestRequest), limits.largestRequest)
    return advice
  }

  private mutating func begin(_ range: Range<Int64>) -> Advice {
    for index in streams.indices {
      if !streams[index].hasMoved {
        streams[index].window /= 2
        if streams[index].window < limits.smallestWindow { streams[index].window = 0 }
      }
      streams[index].hasMoved = false
    }
    var advice: Advice
    if range.lowerBound == 0 {
      advice = Advice(pattern: .sequential, demand: 0..<min(size, max(limits.first, range.upperBound)))
    } else {
      let start = range.lowerBound / limits.random * limits.random
      advice = Advice(
        pattern: .random, demand: start..<min(size, max(range.upperBound, start + limits.random)))
    }
    let new = Stream(next: range.upperBound, edge: advice.demand.upperBound, lastUse: tick)
    if streams.count < limits.streams {
      streams.append(new)
    } else if let oldest = streams.indices.min(by: { streams[$0].lastUse < streams[$1].lastUse }) {
      let old = streams[oldest]
      if old.hasAsked, old.next < old.edge { advice.abandoned = old.next..<old.edge }
      streams[oldest] = new
    }
    return advice
  }
}
