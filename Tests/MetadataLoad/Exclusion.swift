import ApplicationLoad
import Glibc

/// A lock file that threads and processes make with O_EXCL, some through the mount and some beneath it: never two have it.
/// Who has it makes the witness, a file that no mount has anything to do with.
struct Exclusion: Sendable {
  private let directory: String
  private let witness: String
  private let log: AnswerLog

  init(directory: String, witness: String, _ log: AnswerLog) {
    self.directory = directory
    self.witness = witness
    self.log = log
  }

  private func make(_ path: String) -> CInt {
    let file = open(path, O_RDWR | O_CREAT | O_EXCL, 0o600)
    if file >= 0 { close(file) }
    return file
  }

  func run() {
    let path = "\(directory)/lock"
    if make(path) < 0 {
      let error = errno
      return log.check(error == EEXIST, "the lock file: errno \(error)")
    }
    log.call("making the witness, which only the one who made the lock file has") { Int(make(witness)) }
    log.call("removing the witness") { Int(unlink(witness)) }
    log.call("unlink of the lock file") { Int(unlink(path)) }
  }
}
