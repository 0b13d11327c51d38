internal import LinuxSystem

/// Files on their way from one thread that finds them to several that read them, few at a time.
final class WarmQueue: @unchecked Sendable {
  // SAFETY (Sendable): all mutable state is touched only under `monitor`.
  struct File {
    var path: [UInt8]
    var size: Int64
  }

  private let monitor: Monitor
  private let changed: Condition
  private let limit: Int
  private var files: [File] = []
  private var isClosed = false

  init(limit: Int) {
    self.limit = limit
    monitor = Monitor()
    changed = Condition(of: monitor)
  }

  /// Waits for room. - Returns: false once it is closed.
  func put(_ file: File) -> Bool {
    monitor.locked {
      while files.count >= limit, !isClosed { changed.wait() }
      if isClosed { return false }
      files.append(file)
      changed.broadcast()
      return true
    }
  }

  /// Waits for a file. - Returns: nil when all are taken and no more come.
  func take() -> File? {
    monitor.locked {
      while files.isEmpty, !isClosed { changed.wait() }
      guard !files.isEmpty else { return nil }
      defer { changed.broadcast() }
      return files.removeFirst()
    }
  }

  /// No more files come.
  func close() {
    monitor.locked {
      isClosed = true
      changed.broadcast()
    }
  }
}
