/// The words of a warm-up's progress.
extension WarmUp.Progress {
  /// 0 to 100; 0 until it is known how much there is.
  package var percent: Int {
    guard isCounted else { return 0 }
    return bytes > 0 ? Int(min(100, Double(bytesDone) / Double(bytes) * 100)) : 100
  }

  /// One line for people.
  /// - Parameters:
  ///   - seconds: since the start.
  ///   - bar: characters of the bar; 0: none.
  package func line(seconds: Double, bar: Int) -> String {
    guard isCounted else { return "counting: \(files) files, \(Self.size(bytes))" }
    let part = bytes > 0 ? min(1, Double(bytesDone) / Double(bytes)) : 1
    let fetched = Double(bytesDone - bytesKept)
    let rate = seconds > 0 ? fetched / seconds : 0
    var words: [String] = []
    if bar > 0 {
      let full = Int(part * Double(bar))
      words.append("[" + String(repeating: "#", count: full) + String(repeating: "-", count: bar - full) + "]")
    }
    words.append("\(Int(part * 100)) %")
    words.append("\(filesDone)/\(files) files")
    words.append("\(Self.size(bytesDone))/\(Self.size(bytes))")
    if bytesKept > 0 { words.append("\(Self.size(bytesKept)) were there") }
    words.append("\(Self.size(Int64(rate)))/s")
    let left = Double(bytes - bytesDone)
    if left > 0, rate > 0 { words.append("\(Self.time(Int(min(left / rate, 1e7)))) left") }
    if failures > 0 { words.append("\(failures) failed") }
    return words.joined(separator: "  ")
  }

  private static func size(_ bytes: Int64) -> String {
    var value = Double(bytes)
    for unit in ["B", "KiB", "MiB", "GiB"] {
      if value < 1024 { return unit == "B" ? "\(bytes) B" : "\((value * 10).rounded() / 10) \(unit)" }
      value /= 1024
    }
    return "\((value * 10).rounded() / 10) TiB"
  }

  private static func time(_ seconds: Int) -> String {
    let (minutes, rest) = (seconds / 60, seconds % 60)
    let text = "\(minutes % 60):\(rest < 10 ? "0" : "")\(rest)"
    return minutes < 60 ? text : "\(minutes / 60):\(minutes % 60 < 10 ? "0" : "")\(text)"
  }
}
