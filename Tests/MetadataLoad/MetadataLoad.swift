import Glibc
import LinuxSystem
import Synchronization

/// Changes names in a directory from several threads until its standard input ends, and checks every answer.
///
///     metadata-load DIRECTORY THREADS WITNESS
///
/// Several processes may work on one directory, through mounts and beneath them: each thread has names of its own, and all
/// compete for one lock file in `DIRECTORY/shared`. WITNESS is a file on no mount that exists while somebody has the lock.
/// Prints what went wrong, and at the end `operations N errors M`. Exit status 1 when there were errors.
@main
struct MetadataLoad {
  static func main() {
    let arguments = CommandLine.arguments
    guard arguments.count == 4, let threads = Int(arguments[2]) else { exit(64) }
    let log = AnswerLog()
    let isOver = Flag()
    let exclusion = Exclusion(directory: "\(arguments[1])/shared", witness: arguments[3], log)
    var running: [OwnThread] = []
    for number in 0..<threads {
      running.append(
        OwnThread {
          var cycle = NameCycle(directory: "\(arguments[1])/thread\(getpid()).\(number)", log)
          repeat {
            cycle.run()
            exclusion.run()
          } while !isOver.isSet
        })
    }
    var byte: UInt8 = 0
    while Glibc.read(STDIN_FILENO, &byte, 1) > 0 {}
    isOver.set()
    for thread in running { thread.join() }
    print("operations \(log.count) errors \(log.errors)")
    exit(log.errors == 0 && log.count > 0 ? 0 : 1)
  }
}

final class Flag: Sendable {
  private let value = Atomic(false)
  var isSet: Bool { value.load(ordering: .relaxed) }
  func set() { value.store(true, ordering: .relaxed) }
}

/// A thread that can be waited for.
final class OwnThread: Sendable {
  private let done: EventFD?

  init(_ body: @escaping @Sendable () -> Void) {
    let done = try? EventFD()
    self.done = done
    _ = try? DetachedThread.start(name: "load", stackSize: 256 << 10) {
      body()
      done?.signal()
    }
  }

  func join() { _ = try? done?.descriptor.isReadable(within: -1) }
}

/// Counts answers, and prints those that are not as they must be.
final class AnswerLog: Sendable {
  private let answers = Atomic(0)
  private let wrong = Atomic(0)

  var count: Int { answers.load(ordering: .relaxed) }
  var errors: Int { wrong.load(ordering: .relaxed) }

  /// - Parameter expected: the errno that the call must answer; 0: success.
  func expect(_ what: String, _ expected: CInt = 0, _ call: () -> CInt) {
    let error = call() < 0 ? errno : 0
    answers.add(1, ordering: .relaxed)
    if error != expected { complain("\(what): errno \(error) instead of \(expected)") }
  }

  func check(_ isTrue: Bool, _ what: String) {
    answers.add(1, ordering: .relaxed)
    if !isTrue { complain(what) }
  }

  private func complain(_ sentence: String) {
    wrong.add(1, ordering: .relaxed)
    print(sentence)
  }
}
