/// Splits what a worker writes to its standard error into lines and remembers the last of them.
struct WorkerOutput: Sendable {
  /// Lines that an error of the mounter shows.
  static let remembered = 20
  /// Bytes after which a line is taken as complete, so that a worker cannot fill the mounter's memory.
  static let longestLine = 1_024

  private var partial: [UInt8] = []
  /// The last complete lines, oldest first.
  private(set) var lastLines: [String] = []

  /// Takes bytes as they came.
  /// - Returns: the lines that they completed, without their ends.
  mutating func append(_ bytes: some Sequence<UInt8>) -> [String] {
    var lines: [String] = []
    for byte in bytes {
      if byte == UInt8(ascii: "\n") {
        lines.append(finishLine())
      } else {
        partial.append(byte)
        if partial.count >= Self.longestLine { lines.append(finishLine()) }
      }
    }
    return lines
  }

  /// The worker is gone: what it wrote last may have no end.
  mutating func finish() -> [String] { partial.isEmpty ? [] : [finishLine()] }

  private mutating func finishLine() -> String {
    let line = String(decoding: partial, as: UTF8.self)
    partial.removeAll(keepingCapacity: true)
    lastLines.append(line)
    if lastLines.count > Self.remembered { lastLines.removeFirst() }
    return line
  }
}
