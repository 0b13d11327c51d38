import ApplicationLoad
import Glibc
import LinuxSystem
import Synchronization

/// What the operations of a load have answered: how many, what was wrong, and how long the longest took.
final class Answers: AnswerCheck {
  /// Counts since the start, and the longest operation since the last mark.
  struct Counts: Sendable {
    var operations = 0
    /// Calls that answered something else than they must.
    var errors = 0
    /// Contents and states that are not as they must be.
    var wrong = 0
    /// Errors that an outage brings with it.
    var tolerated = 0
    var longest: UInt64 = 0
    var longestName = "none"

    var line: String { "\(operations) \(errors) \(wrong) \(tolerated)" }
  }

  private let counts = Mutex(Counts())
  private let tolerated: Set<CInt>
  /// Further complaints are counted only.
  private static let shown = 40

  /// - Parameter tolerated: errors that are counted apart.
  init(tolerating tolerated: Set<CInt> = []) { self.tolerated = tolerated }

  /// The counts; the next interval begins.
  func mark() -> Counts {
    counts.withLock { counts in
      defer { (counts.longest, counts.longestName) = (0, "none") }
      return counts
    }
  }

  @discardableResult
  func call(_ what: StaticString, expecting expected: CInt, _ call: () -> Int) -> Int {
    let begin = Deadline.now.nanoseconds
    let result = call()
    let error = result < 0 ? errno : 0
    let time = Deadline.now.nanoseconds - begin
    counts.withLock { counts in
      counts.operations += 1
      if time > counts.longest { (counts.longest, counts.longestName) = (time, "\(what)") }
    }
    if error != expected, tolerated.contains(error) {
      counts.withLock { $0.tolerated += 1 }
    } else if error != expected {
      complain("\(what) answered errno \(error) instead of \(expected) after \(time / 1_000) µs") { $0.errors += 1 }
    }
    return result
  }

  func check(_ isRight: Bool, _ what: @autoclosure () -> String) {
    if !isRight { complain(what()) { $0.wrong += 1 } }
  }

  private func complain(_ sentence: String, _ count: (inout Counts) -> Void) {
    let number = counts.withLock { counts in
      count(&counts)
      return counts.errors + counts.wrong
    }
    if number <= Self.shown { Self.say("error \(sentence)") }
  }

  /// One line to standard output, at once.
  static func say(_ line: String) {
    let bytes = Array((line + "\n").utf8)
    _ = Glibc.write(STDOUT_FILENO, bytes, bytes.count)
  }
}

/// Memory for a load's transfers: aligned for O_DIRECT.
final class TransferBuffer {
  let bytes: UnsafeMutableRawPointer
  let count: Int

  init(count: Int) {
    self.count = count
    bytes = .allocate(byteCount: count, alignment: 4096)
    bytes.initializeMemory(as: UInt8.self, repeating: 0, count: count)
  }

  deinit { bytes.deallocate() }

  func equals(_ model: [UInt8], from offset: Int, count: Int) -> Bool {
    guard offset + count <= model.count else { return false }
    return model.withUnsafeBytes { $0.baseAddress.map { memcmp(bytes, $0 + offset, count) == 0 } ?? (count == 0) }
  }
}
