internal import Glibc
internal import LinuxSystem
internal import Logging
internal import SystemPackage
internal import VolumeModel

/// One worker started ahead of need: linked, confined, in a cgroup of its own, and waiting for its configuration. Who needs a
/// worker while it is there waits for none of that. The cgroup counts most: the kernel moves a process only after all
/// processors have passed a quiet point (RCU), for which users of a dead worker would wait 6 ms on an idle machine and 30 on
/// a busy one.
///
/// Belongs to the event loop's thread. An idle one is seen as no volume's process: it holds no descriptor of any.
final class StandbyWorker {
  private let program: String
  private let cgroups: WorkerCgroups
  private let log: Logger
  private var waiting: (worker: WorkerProcess, program: FileStatus)?
  /// Expires when it is time for ``start(on:)``.
  let timer: TimerFD

  /// From the moment at which a worker serves, so that the next one's start does not compete with the first answers.
  private static let delay = Duration.milliseconds(100)

  init(program: String, cgroups: WorkerCgroups, log: Logger) throws(Errno) {
    (self.program, self.cgroups, self.log) = (program, cgroups, log)
    timer = try TimerFD()
  }

  /// Gives the worker away. - Returns: nil where there is none, or one of another program than is there now.
  func take() -> WorkerProcess? {
    guard let (worker, program) = waiting.take() else { return nil }
    if (try? worker.process.hasEnded()) == false, program == Self.status(of: self.program) { return worker }
    end(worker)
    return nil
  }

  /// A worker serves now: the next one that is needed is to be there by then.
  func order() { if waiting == nil { try? timer.arm(after: Self.delay) } }

  /// Starts it. One that cannot be started is not needed either: who needs a worker says what is wrong.
  func start(on threads: BlockingThreads) {
    guard waiting == nil, let status = Self.status(of: program),
      let worker = try? WorkerProcess.start(executable: program, for: nil)
    else { return }
    worker.cgroup = cgroups.prepare(pid: worker.process.pid)
    waiting = (worker, status)
    guard let leaf = worker.cgroup else { return }
    let (pid, log) = (worker.process.pid, log)
    try? threads.start {
      do throws(Errno) { try leaf.add(pid: pid) } catch {
        // It has ended meanwhile, as at the mounter's own end.
        log.debug("a standby worker stays in its cgroup", metadata: ["pid": "\(pid)", "error": "\(error)"])
      }
    }
  }

  /// No worker is needed any more.
  func end() { if let (worker, _) = waiting.take() { end(worker) } }

  /// It has nothing to do, so that it ends at once.
  private func end(_ worker: WorkerProcess) {
    try? worker.process.signal(9)
    _ = try? worker.process.wait()
    cgroups.remove(worker.cgroup)
  }

  private static func status(of program: String) -> FileStatus? {
    guard var status = try? Descriptor.open(program, O_RDONLY).status() else { return nil }
    status.accessTime = 0
    return status
  }
}

extension MounterServer {
  /// The one that waits for a volume, or a new one.
  func worker(
    for key: WorkerKey, generation: UInt32, limit: UInt64?
  ) throws(MounterError) -> WorkerProcess {
    if let worker = standby.take() {
      cgroups.limit(worker.cgroup, to: limit, key)
      return worker
    }
    let worker = try WorkerProcess.start(executable: configuration.worker, for: key)
    worker.cgroup = cgroups.place(pid: worker.process.pid, key, generation: generation, limit: limit)
    return worker
  }
}
