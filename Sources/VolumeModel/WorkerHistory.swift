/// The end of one worker of a mount.
package struct WorkerDeath: Sendable, Hashable {
  package var exit: WorkerExit
  /// In the mounter's PID namespace; 0 where no process came about.
  package var pid: Int32
  /// When it was noticed: milliseconds of CLOCK_MONOTONIC, which all processes of a machine share.
  package var moment: UInt64

  package init(exit: WorkerExit, pid: Int32, moment: UInt64) {
    self.exit = exit
    self.pid = pid
    self.moment = moment
  }
}

/// What a mount has been through since it was made. Goes with the volume from mounter to mounter.
package struct WorkerHistory: Sendable, Hashable {
  /// The last ends of workers, oldest first, at most ``kept``.
  package private(set) var deaths: [WorkerDeath] = []
  /// The longest time without a worker that serves, in milliseconds: from a death's being noticed to the next one's readiness.
  package private(set) var longestPause: UInt64 = 0
  /// All such times together.
  package private(set) var totalPause: UInt64 = 0
  /// How many workers have ended so, since the mount was made.
  package private(set) var counts: [WorkerExit.Kind: UInt64] = [:]

  /// Enough to see a pattern, little enough to travel with each status.
  package static let kept = 16
  /// What counts as recent in a condition, in milliseconds.
  package static let recent: UInt64 = 10 * 60 * 1000

  package init(
    deaths: [WorkerDeath] = [], longestPause: UInt64 = 0, totalPause: UInt64 = 0,
    counts: [WorkerExit.Kind: UInt64] = [:]
  ) {
    self.deaths = deaths.suffix(Self.kept)
    self.longestPause = longestPause
    self.totalPause = totalPause
    self.counts = counts
  }

  package mutating func note(_ death: WorkerDeath) {
    counts[death.exit.kind, default: 0] += 1
    deaths.append(death)
    if deaths.count > Self.kept { deaths.removeFirst() }
  }

  /// A worker serves again after so many milliseconds.
  package mutating func notePause(_ milliseconds: UInt64) {
    longestPause = max(longestPause, milliseconds)
    totalPause += milliseconds
  }

  /// Deaths of the last ten minutes; being replaced by a newer build is none.
  package func recentDeaths(at now: UInt64) -> [WorkerDeath] {
    deaths.filter { $0.exit != .replaced && $0.moment + Self.recent > now }
  }
}
