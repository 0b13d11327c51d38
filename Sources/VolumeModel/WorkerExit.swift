/// How a worker process ended, as far as it is known.
package enum WorkerExit: Sendable, Hashable {
  case exited(code: Int32)
  case signaled(Int32)
  /// The kernel killed it because its cgroup was full. `limitBytes` is 0 where the node ran out of memory instead.
  case outOfMemory(limitBytes: UInt64)
  /// The mounter killed it because it had answered nothing for so long.
  case unanswering(seconds: UInt32)
  /// It was told to make way for a worker of another build.
  case replaced
  /// The FUSE connection is gone: somebody unmounted or aborted it. No other worker can serve the mount.
  case disconnected
  /// It could not be started or said that it cannot serve.
  case notServing(reason: String)
  /// The process was no child of this mounter.
  case unknown

  /// What it is counted as.
  package enum Kind: String, Sendable, Hashable, CaseIterable {
    case exit
    case signal
    case outOfMemory = "out_of_memory"
    case unanswering
    case replaced
    case disconnected
    case notServing = "not_serving"
    case unknown
  }

  package var kind: Kind {
    switch self {
    case .exited: .exit
    case .signaled: .signal
    case .outOfMemory: .outOfMemory
    case .unanswering: .unanswering
    case .replaced: .replaced
    case .disconnected: .disconnected
    case .notServing: .notServing
    case .unknown: .unknown
    }
  }

  /// A sentence for the volume condition.
  package var sentence: String {
    switch self {
    case .exited(let code): "the worker exited with code \(code)"
    case .signaled(let signal): "the worker was ended by \(Self.name(of: signal))"
    case .outOfMemory: "the worker was killed: \(cause)"
    case .unanswering: "the worker was killed: \(cause)"
    case .replaced: "the worker makes way for one of another build"
    case .disconnected: "the mount was unmounted or its FUSE connection aborted from outside"
    case .notServing(let reason): reason
    case .unknown: "the worker is gone"
    }
  }

  /// The same in a few words, for a list of causes.
  package var cause: String {
    switch self {
    case .exited(let code): "exit code \(code)"
    case .signaled(let signal): Self.name(of: signal)
    case .outOfMemory(0): "out of memory on the node"
    case .outOfMemory(let limit): "out of memory at \(Self.size(limit))"
    case .unanswering(let seconds): "no answer for \(seconds) s"
    case .replaced: "another build"
    case .disconnected: "unmounted from outside"
    case .notServing(let reason): reason
    case .unknown: "unknown cause"
    }
  }

  /// What an administrator can do about it; nil where nothing is known to help.
  package var remedy: String? {
    switch self {
    case .outOfMemory(0): "give the node more memory, or set memoryLimit so that only this volume is affected"
    case .outOfMemory: "raise memoryLimit"
    case .unanswering: "see that the under file system answers"
    default: nil
    }
  }

  /// Ended by a signal, whoever sent it.
  package var isKill: Bool {
    switch self {
    case .signaled, .outOfMemory, .unanswering: true
    case .exited, .replaced, .disconnected, .notServing, .unknown: false
    }
  }

  /// The signals that end workers in practice.
  private static func name(of signal: Int32) -> String {
    switch signal {
    case 4: "SIGILL, an error in the program"
    case 6: "SIGABRT, an error in the program"
    case 7: "SIGBUS"
    case 8: "SIGFPE, an error in the program"
    case 9: "SIGKILL"
    case 11: "SIGSEGV, an error in the program"
    case 15: "SIGTERM"
    default: "signal \(signal)"
    }
  }

  /// `256 MiB`: the largest unit that leaves a whole number.
  private static func size(_ bytes: UInt64) -> String {
    var (number, unit) = (bytes, 0)
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB"]
    while number % 1024 == 0, number > 0, unit < units.count - 1 {
      number /= 1024
      unit += 1
    }
    return "\(number) \(units[unit])"
  }
}
