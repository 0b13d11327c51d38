import Foundation
import LinuxSystem
import Synchronization

/// The most memory that a process had, in bytes.
struct MemoryPeak {
  /// Resident, as the kernel counts it at every moment.
  var resident: Double
  /// Its share of it (PSS), as seen every 20 ms.
  var proportional: Double
}

/// Looks at a process until it is told to stop.
final class PeakWatch: Sendable {
  private let pid: Int32
  private let isOver = Atomic(false)
  private let peak = Atomic(0)
  private let done: EventFD

  init(pid: Int32) throws {
    self.pid = pid
    done = try EventFD()
    // Peaks of what was before do not count (5: VmHWM).
    try? Data("5".utf8).write(to: URL(fileURLWithPath: "/proc/\(pid)/clear_refs"))
    try DetachedThread.start(name: "peak", stackSize: 256 << 10) { [self] in
      while !isOver.load(ordering: .relaxed) {
        peak.max(Self.kilobytes("/proc/\(pid)/smaps_rollup", "Pss:"), ordering: .relaxed)
        usleep(20_000)
      }
      done.signal()
    }
  }

  func stop() throws -> MemoryPeak {
    isOver.store(true, ordering: .relaxed)
    _ = try done.descriptor.isReadable(within: 10_000)
    return MemoryPeak(
      resident: Double(Self.kilobytes("/proc/\(pid)/status", "VmHWM:")) * 1024,
      proportional: Double(peak.load(ordering: .relaxed)) * 1024)
  }

  private static func kilobytes(_ path: String, _ key: String) -> Int {
    let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
    return text.split(separator: "\n").first { $0.hasPrefix(key) }
      .flatMap { $0.split(whereSeparator: \.isWhitespace).dropFirst().first }.flatMap { Int($0) } ?? 0
  }
}
