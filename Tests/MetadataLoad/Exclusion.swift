import Glibc
import Synchronization

/// A lock file that all threads make with O_EXCL: as many as succeed, that many have removed it, and never two have it.
final class Exclusion: Sendable {
  private let directory: String
  private let log: AnswerLog
  private let holders = Atomic(0)

  init(directory: String, _ log: AnswerLog) {
    self.directory = directory
    self.log = log
  }

  func prepare() { log.expect("mkdir of the shared directory") { mkdir(directory, 0o755) } }
  func finish() { log.expect("rmdir of the shared directory") { rmdir(directory) } }

  func run() {
    let path = "\(directory)/lock"
    let file = open(path, O_RDWR | O_CREAT | O_EXCL, 0o600)
    if file < 0 {
      let error = errno
      return log.check(error == EEXIST, "the lock file: errno \(error)")
    }
    log.check(holders.add(1, ordering: .sequentiallyConsistent).newValue == 1, "two have made the lock file")
    close(file)
    holders.subtract(1, ordering: .sequentiallyConsistent)
    log.expect("unlink of the lock file") { unlink(path) }
  }
}
