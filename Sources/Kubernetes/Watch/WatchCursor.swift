/// How far a watch has come, and what it does after an interruption. A value, so that tests need no time and no network.
struct WatchCursor: Sendable {
  /// What comes next.
  enum Step: Sendable, Hashable {
    case list
    case watch(from: String)
  }

  private(set) var step = Step.list
  /// Interruptions since something was last seen.
  private(set) var failures = 0

  /// A list was taken.
  mutating func listed(version: String) {
    step = .watch(from: version)
  }

  /// A line was taken that brought the watch to a version.
  mutating func advance(to version: String?) {
    failures = 0
    if let version, !version.isEmpty { step = .watch(from: version) }
  }

  /// The server ended the watch in good order.
  /// - Parameters:
  ///   - lines: how many came on it.
  ///   - duration: how long it was open. Nothing may happen for as long as the server was asked to watch.
  /// - Returns: whether to wait: a server that ends each watch at once would be asked without a pause.
  mutating func ended(lines: Int, after duration: Duration) -> Bool {
    failures = lines > 0 || duration >= .seconds(5) ? 0 : failures + 1
    return failures > 1
  }

  /// The watch or the list failed. The server has forgotten the version, or nobody knows: a version of 410 Gone is of no
  /// use, every other one is kept.
  mutating func failed(_ error: KubernetesError) {
    if error.kind == .expired { step = .list }
    failures += 1
  }
}
