import ApplicationLoad
import Glibc
import LinuxSystem

/// Locks that are held over faults: meanwhile nobody else may get them, and afterwards everybody.
struct HeldLocks: LoadTask {
  let folder: String

  func run(_ answers: Answers, thread: Int, until isOver: EndFlag) {
    let path = "\(folder)/locked"
    let holder = CInt(answers.call("open to lock") { Int(open(path, O_RDWR | O_CREAT, 0o600)) })
    let other = CInt(answers.call("open to lock beside") { Int(open(path, O_RDWR)) })
    let recordPath = "\(folder)/locked-record"
    let record = CInt(answers.call("open to lock a record") { Int(open(recordPath, O_RDWR | O_CREAT, 0o600)) })
    guard holder >= 0, other >= 0, record >= 0, let probe = try? LockProbe(path: recordPath) else {
      return answers.check(false, "the locks could not be tried")
    }
    while !isOver.isSet {
      answers.call("flock") { Int(flock(holder, LOCK_EX)) }
      answers.call("fcntl lock") { setLock(record, Int16(F_WRLCK)) }
      for _ in 0..<800 where !isOver.isSet {
        answers.call("flock beside", expecting: EWOULDBLOCK) { Int(flock(other, LOCK_EX | LOCK_NB)) }
        answers.check(probe.ask() == .refused, "a process got a record lock that another one holds")
        pause()
      }
      answers.call("flock to unlock") { Int(flock(holder, LOCK_UN)) }
      answers.call("flock of the next") { Int(flock(other, LOCK_EX | LOCK_NB)) }
      answers.call("flock of the next to unlock") { Int(flock(other, LOCK_UN)) }
      answers.call("fcntl unlock") { setLock(record, Int16(F_UNLCK)) }
      answers.check(probe.ask() == .granted, "a process did not get a record lock that nobody holds")
    }
    for file in [holder, other, record] { close(file) }
  }
}

/// Sets or takes away a record lock on the whole file, without waiting. fcntl(2).
private func setLock(_ file: CInt, _ type: Int16) -> Int {
  var lock = flock()
  lock.l_type = type
  return Int(fcntl(file, F_SETLK, &lock))
}

/// Another process that tries to get a record lock: they belong to processes.
final class LockProbe {
  enum Answer: String {
    case refused
    case granted
    case failed
  }

  private let process: TalkingProcess

  init(path: String) throws { process = try TalkingProcess(ExecutablePath.own, ["--lock-probe", path]) }

  func ask() -> Answer {
    try? process.say("try")
    return (try? process.line(within: -1)).flatMap { $0 }.flatMap(Answer.init(rawValue:)) ?? .failed
  }

  /// The other process: answers each line with what became of an attempt.
  static func serve(path: String) -> Never {
    let file = open(path, O_RDWR)
    while readLine() != nil {
      let got = setLock(file, Int16(F_WRLCK))
      let error = errno
      if got == 0 { _ = setLock(file, Int16(F_UNLCK)) }
      Answers.say((got == 0 ? Answer.granted : error == EAGAIN || error == EACCES ? .refused : .failed).rawValue)
    }
    exit(0)
  }
}
