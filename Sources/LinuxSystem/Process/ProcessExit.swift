/// How a process ended. waitid(2).
package enum ProcessExit: Sendable, Hashable, CustomStringConvertible {
  case exited(code: Int32)
  case signalled(signal: Int32, dumpedCore: Bool)

  /// Ended by itself with code 0.
  package var isSuccess: Bool { self == .exited(code: 0) }

  /// For messages: `exited with code 3`, `was killed by signal 9`.
  package var description: String {
    switch self {
    case .exited(let code): "exited with code \(code)"
    case .signalled(let signal, let dumped): "was killed by signal \(signal)\(dumped ? " (core dumped)" : "")"
    }
  }
}
