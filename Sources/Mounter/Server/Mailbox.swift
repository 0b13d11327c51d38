internal import LinuxSystem
internal import Synchronization
internal import SystemPackage
internal import VolumeModel

/// Results of threads on their way to the event loop.
final class Mailbox: Sendable {
  /// What a thread has to say.
  enum Letter: Sendable {
    /// The mount step has made a mount.
    case mounted(MountRequest, MountStep.Outcome)
    /// What a program that was tried says of itself, or why it is not one to be used.
    case tried(WorkerProgram, Result<WorkerBuild, MounterError>)
    /// Everything else needs nothing but the keeper.
    case event(KeeperEvent)
  }

  private let letters = Mutex<[Letter]>([])
  /// Readable while there are letters.
  let bell: EventFD

  init() throws(Errno) { bell = try EventFD() }

  /// Callable from any thread.
  func post(_ letter: Letter) {
    letters.withLock { $0.append(letter) }
    bell.signal()
  }

  /// All letters, in the order in which they came.
  func take() -> [Letter] {
    _ = try? bell.take()
    return letters.withLock { letters in
      defer { letters = [] }
      return letters
    }
  }
}
