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
  enum Answer: UInt8 {
    case refused = 0x72
    case granted = 0x67
    case failed = 0x65
  }

  private let process: PidFD
  private let input: Pipe
  private let output: Pipe

  init(path: String) throws {
    var (input, output) = (try Pipe(), try Pipe())
    let program = ExecutablePath.own
    var spawn = Spawn(executable: program, arguments: [program, "--lock-probe", path])
    spawn.descriptors = [0: input.reader.rawValue, 1: output.writerNumber]
    process = try spawn.start()
    output.closeWriter()
    (self.input, self.output) = (input, output)
  }

  deinit {
    try? process.signal(SIGKILL)
    _ = try? process.wait()
  }

  func ask() -> Answer {
    try? input.writer?.descriptor.writeAll([0])
    guard let byte = try? output.reader.descriptor.read(upTo: 1).first else { return .failed }
    return Answer(rawValue: byte) ?? .failed
  }

  /// The other process: answers each byte with what became of an attempt.
  static func serve(path: String) -> Never {
    let file = open(path, O_RDWR)
    var byte: UInt8 = 0
    while read(STDIN_FILENO, &byte, 1) == 1 {
      let got = setLock(file, Int16(F_WRLCK))
      let error = errno
      if got == 0 { _ = setLock(file, Int16(F_UNLCK)) }
      var answer = (got == 0 ? Answer.granted : error == EAGAIN || error == EACCES ? .refused : .failed).rawValue
      guard write(STDOUT_FILENO, &answer, 1) == 1 else { break }
    }
    exit(0)
  }
}
