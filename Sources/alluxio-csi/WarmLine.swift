internal import CSIDriver
internal import LinuxSystem
internal import SystemPackage

/// Progress of a warm-up on standard error: one line that is written over on a terminal, a line every ten seconds elsewhere.
struct WarmLine {
  let isTerminal: Bool
  private let start = Deadline.now
  /// Whether the terminal's line has something on it.
  private var isWritten = false

  init(isTerminal: Bool) { self.isTerminal = isTerminal }

  /// Between two of them.
  var interval: Duration { isTerminal ? .milliseconds(200) : .seconds(10) }

  mutating func show(_ progress: WarmUp.Progress) {
    let text = progress.line(seconds: seconds, bar: isTerminal ? 20 : 0)
    if isTerminal {
      // To the line's start, and what is left of the last one away.
      write("\r\u{1B}[K\(text)")
      isWritten = true
    } else {
      write(text + "\n")
    }
  }

  mutating func end(_ progress: WarmUp.Progress) {
    show(progress)
    if isWritten { write("\n") }
    isWritten = false
  }

  func say(_ sentence: String) { write(sentence + "\n") }

  private func write(_ text: String) {
    // Who does not listen wants no progress.
    _ = try? FileDescriptor.standardError.writeAll(text.utf8)
  }

  private var seconds: Double { Double(Deadline.now.nanoseconds - start.nanoseconds) / 1e9 }
}
