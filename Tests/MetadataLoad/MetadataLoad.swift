import ApplicationLoad
import Glibc
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
    let isOver = EndFlag()
    let exclusion = Exclusion(directory: "\(arguments[1])/shared", witness: arguments[3], log)
    var running: [LoadThread] = []
    for number in 0..<threads {
      running.append(
        LoadThread {
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

/// Counts answers, and prints those that are not as they must be.
final class AnswerLog: AnswerCheck {
  private let answers = Atomic(0)
  private let wrong = Atomic(0)

  var count: Int { answers.load(ordering: .relaxed) }
  var errors: Int { wrong.load(ordering: .relaxed) }

  func call(_ what: StaticString, expecting expected: CInt, _ call: () -> Int) -> Int {
    let result = call()
    let error = result < 0 ? errno : 0
    answers.add(1, ordering: .relaxed)
    if error != expected { complain("\(what): errno \(error) instead of \(expected)") }
    return result
  }

  func check(_ isRight: Bool, _ what: @autoclosure () -> String) {
    answers.add(1, ordering: .relaxed)
    if !isRight { complain(what()) }
  }

  private func complain(_ sentence: String) {
    wrong.add(1, ordering: .relaxed)
    print(sentence)
  }
}
