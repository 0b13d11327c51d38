import Fuse
import Glibc
import LinuxSystem
import Logging
import Mounter
import Synchronization
import VolumeFileSystem
import VolumeModel

/// Does what the mounter says while the session serves. When the mounter is gone, the worker goes on.
final class WorkerControl: Sendable {
  private let channel: WorkerChannel
  private let volume: ServedVolume
  private let backings: MounterBackings?
  private let log: Logger
  /// Of new secrets; nil for a directory of the node, which needs none.
  private let trial: SecretsTrial?
  /// As the mounter knows them.
  private let told = Mutex<VolumeCounters?>(nil)
  private let toldActivity = Mutex<WorkerActivity?>(nil)

  /// For a store to answer requests that new credentials sign.
  private static let patience = Duration.seconds(30)

  init(channel: WorkerChannel, volume: ServedVolume, backings: MounterBackings?, log: Logger) {
    self.channel = channel
    self.volume = volume
    self.backings = backings
    self.log = log
    trial = volume.objects.map { objects in
      SecretsTrial { secrets, revision in
        let problem = objects.replaceSecrets(secrets.values, by: .after(Self.patience))
        if problem == nil { volume.fileSystem.credentialsChanged() }
        try? channel.credentials(revision: revision, problem: problem)
      }
    }
  }

  /// Runs on a thread of its own until the mounter or the process ends.
  func start() {
    SessionThread.start { self.obey() }
  }

  private func obey() {
    do throws(WorkerChannelError) {
      while let next = try channel.receive() {
        obey(next.command, id: next.id)
      }
      log.notice("the mounter is gone; serving goes on")
    } catch {
      log.error("the mounter's command cannot be read; serving goes on", metadata: ["error": "\(error)"])
    }
  }

  private func obey(_ command: WorkerCommand, id: UInt64) {
    switch command {
    case .drain(let milliseconds), .stop(let milliseconds):
      stop(milliseconds: milliseconds, id: id)
    case .updateOptions(let options):
      volume.update(options)
      complete(id)
    case .ping:
      let work = volume.session.work
      try? channel.work(
        answered: work.answered, working: work.working, oldestMilliseconds: work.oldestMilliseconds)
      tellActivity()
      tellCounters()
    case .backingOpened(let call, let backing, let error): backings?.answered(call, id: backing, error: error)
    case .updateSecrets(let secrets, let revision):
      trial?.begin(secrets, revision: revision)
      complete(id)
    }
  }

  private func tellActivity() {
    let activity = volume.activity
    guard toldActivity.withLock({ $0 }) != activity else { return }
    toldActivity.withLock { $0 = activity }
    try? channel.activity(activity)
  }

  /// The mounter asks as often as it wants to know.
  private func tellCounters() {
    guard let counters = volume.counters, told.withLock({ $0 }) != counters else { return }
    told.withLock { $0 = counters }
    try? channel.counters(counters)
  }

  /// The process ends with the session; requests that hang until the time is over are left to the next worker.
  private func stop(milliseconds: UInt32, id: UInt64) {
    volume.session.stop()
    let end = volume.session.wait(milliseconds: milliseconds == 0 ? nil : Int(milliseconds))
    complete(id)
    if end == nil {
      log.error("requests are still being worked on; ending without their answers")
      _exit(WorkerExit.requestsLeft.rawValue)
    }
  }

  private func complete(_ id: UInt64) {
    if id != 0 { try? channel.complete(id) }
  }
}
