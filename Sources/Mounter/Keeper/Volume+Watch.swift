internal import LinuxSystem
internal import VolumeModel

/// Whether a worker that lives still works: it is asked now and then, and one that says nothing, or whose requests do not
/// end, is first reported and then killed. Its death, and nothing else, brings the next one.
struct WorkerWatch: Hashable, Sendable {
  /// When the worker is asked next.
  var nextPing = Deadline.never
  /// The first question that it has not answered.
  var unansweredSince: Deadline?
  /// What is wrong, for the condition.
  var concern: String?
  /// Since when each look has found requests that nobody works on.
  var lostSince: Deadline?
  /// It has been killed, and what that death will be called.
  var killedFor: WorkerExit?
  /// When a death that has been ordered is overdue.
  var killDue = Deadline.never

  /// When the volume wants to be told of the time.
  var deadline: Deadline { min(nextPing, killDue) }
}

/// What a worker says of its work.
struct WorkerProgress: Hashable, Sendable {
  /// Requests that it has answered.
  var answered: UInt64
  /// Requests that it works on.
  var working: UInt32
  /// For how long it has worked on the oldest of them, in milliseconds.
  var oldestMilliseconds: UInt64
  /// Requests that are neither with the worker nor waiting for it: those that a dead one had read, where the kernel cannot
  /// send them again. Found by the mounter; a busy worker may have answered or taken some meanwhile.
  var lost: UInt32 = 0
}

extension Volume {
  /// Begins to ask a worker that serves.
  mutating func beginWatch(_ turn: Keeper.Turn) {
    watch = WorkerWatch()
    if let limits = turn.limits.watch { watch.nextPing = turn.now.advanced(by: limits.interval) }
  }

  /// Time has passed for a worker that serves.
  mutating func lookAfterWorker(_ turn: inout Keeper.Turn) {
    guard let limits = turn.limits.watch else { return }
    if watch.killDue <= turn.now {
      watch.killDue = .never
      watch.concern = Keeper.stuckSentence(pid)
    }
    guard watch.nextPing <= turn.now else { return }
    watch.nextPing = turn.now.advanced(by: limits.interval)
    turn.actions.append(.ping(request.key))
    let since = watch.unansweredSince ?? turn.now
    watch.unansweredSince = since
    guard watch.killedFor == nil else { return }
    if since.advanced(by: limits.kill) <= turn.now {
      killUnanswering(since, &turn)
    } else if since.advanced(by: limits.notice) <= turn.now {
      let seconds = limits.notice.components.seconds
      watch.concern =
        "the worker\(pid.map { " (pid \($0))" } ?? "") has not answered its mounter for more than \(seconds) s"
    }
  }

  /// The worker has answered.
  mutating func workerProgressed(_ progress: WorkerProgress, _ turn: inout Keeper.Turn) {
    watch.unansweredSince = nil
    guard let limits = turn.limits.watch, watch.killedFor == nil else { return }
    let age = Duration.milliseconds(Int64(clamping: progress.oldestMilliseconds))
    // A new worker does not cure an under file system that hangs: each further one has twice the time.
    if age >= limits.kill * (1 << min(hungWorkers, 6)) {
      hungWorkers += 1
      killUnanswering(turn.now.rewound(by: age), &turn)
    } else if age >= limits.notice {
      watch.concern = """
        the worker works on \(progress.working == 1 ? "a request" : "\(progress.working) requests"), the oldest for more \
        than \(limits.notice.components.seconds) s: most likely the under file system does not answer
        """
    } else {
      if progress.answered > 0, progress.working == 0 { hungWorkers = 0 }
      watch.concern = lossConcern(progress, limits, turn)
    }
  }

  /// Requests are lost that were missing at each look for so long.
  private mutating func lossConcern(
    _ progress: WorkerProgress, _ limits: Keeper.WatchLimits, _ turn: Keeper.Turn
  ) -> String? {
    guard progress.lost > 0 else {
      watch.lostSince = nil
      return nil
    }
    let since = watch.lostSince ?? turn.now
    watch.lostSince = since
    guard since.advanced(by: limits.notice) <= turn.now else { return nil }
    return """
      \(progress.lost == 1 ? "a request" : "\(progress.lost) requests") that a dead worker had read will have no answer, \
      since this kernel (older than 6.9) cannot send it again; all others have; who waits for it, or for a directory that \
      it was changing, is freed when the volume is unpublished
      """
  }

  private mutating func killUnanswering(_ since: Deadline, _ turn: inout Keeper.Turn) {
    let seconds = (turn.now.milliseconds - since.milliseconds) / 1000
    watch.killedFor = .unanswering(seconds: UInt32(clamping: seconds))
    watch.killDue = turn.now.advanced(by: turn.limits.kill)
    watch.concern = "the worker has answered nothing for \(seconds) s and is being killed"
    turn.actions.append(.kill(request.key))
  }
}

extension Deadline {
  /// Earlier by `duration`, and never before the start of the clock.
  fileprivate func rewound(by duration: Duration) -> Deadline {
    let (seconds, attoseconds) = duration.components
    let span = UInt64(clamping: seconds) * 1_000_000_000 + UInt64(clamping: attoseconds / 1_000_000_000)
    return Deadline(nanoseconds: nanoseconds > span ? nanoseconds - span : 0)
  }
}
