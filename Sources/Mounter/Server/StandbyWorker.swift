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
  private let cgroups: WorkerCgroups
  private let log: Logger
  /// With the number of its build.
  private var waiting: (worker: WorkerProcess, program: Int)?
  /// Expires when it is time for ``start(on:)``.
  let timer: TimerFD

  /// From the moment at which a worker serves, so that the next one's start does not compete with the first answers.
  private static let delay = Duration.milliseconds(100)

  init(cgroups: WorkerCgroups, log: Logger) throws(Errno) {
    (self.cgroups, self.log) = (cgroups, log)
    timer = try TimerFD()
  }

  /// Gives the worker away. - Returns: nil where there is none, or one of another build.
  func take(_ wanted: Int) -> WorkerProcess? {
    guard let (worker, program) = waiting.take() else { return nil }
    if (try? worker.process.hasEnded()) == false, program == wanted { return worker }
    end(worker)
    return nil
  }

  /// A worker serves now: the next one that is needed is to be there by then.
  func order() { if waiting == nil { try? timer.arm(after: Self.delay) } }

  /// Starts it. One that cannot be started is not needed either: who needs a worker says what is wrong.
  func start(_ program: Int, executable: String, on threads: BlockingThreads) {
    guard waiting == nil, let worker = try? WorkerProcess.start(executable: executable, for: nil) else { return }
    worker.cgroup = cgroups.prepare(pid: worker.process.pid)
    waiting = (worker, program)
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
}

extension MounterServer {
  /// The one that waits for a volume, or a new one.
  func worker(for key: WorkerKey, _ volume: Volume, generation: UInt32) throws(MounterError) -> WorkerProcess {
    let limit = volume.request.options.memoryLimitBytes
    if let worker = standby.take(volume.program) {
      cgroups.limit(worker.cgroup, to: limit, key)
      return worker
    }
    let worker = try WorkerProcess.start(executable: programs.executable(volume.program), for: key)
    worker.cgroup = cgroups.place(pid: worker.process.pid, key, generation: generation, limit: limit)
    return worker
  }

  /// It is time for the next one: of the build that volumes move to, where they do.
  func startStandby() {
    guard (try? standby.timer.takeExpiry()) == true, !holdings.isEmpty else { return }
    let program = keeper.roll?.program ?? keeper.program
    standby.start(program, executable: programs.executable(program), on: blocking)
  }
}
