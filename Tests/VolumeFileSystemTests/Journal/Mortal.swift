import LinuxSystem
import SystemPackage
import UnderFileSystem
import VolumeFileSystem
import VolumeModel

/// A volume whose workers die at crash points. A dead worker has changed nothing in the shared state behind its crash
/// point, as the state is put back to that moment; what unwinding does to files is what its successor would do.
protocol Mortal: AnyObject {
  /// The worker that serves now.
  var files: VolumeFileSystem { get }
  var memory: SharedMemory { get }
  /// The files themselves, for whoever else works on them.
  func base() throws(Errno) -> any UnderFileSystem
  /// Another worker takes over.
  func restart() throws(Errno)
  /// A worker has died.
  func died()
}

/// Thrown out of a worker at its crash point; no kernel's number.
private let death = Errno(rawValue: 9999)

private enum Attempt<R> {
  case answered(Result<R, Errno>)
  case diedUnanswered
  case diedAnswered(Result<R, Errno>)
}

extension Mortal {
  /// A request that is sent until a worker lives to answer it.
  /// - Parameters:
  ///   - crashes: where each of the first workers dies.
  ///   - meanwhile: what others do to the files after each death.
  ///   - number: the request's; 0 for one that is not journaled.
  func perform<R>(
    dyingAt crashes: [CrashPoint], number: UInt64 = Requests.nextNumber(),
    meanwhile: (any UnderNode) throws -> Void = { _ in },
    _ body: (VolumeFileSystem, RequestID) throws(Errno) -> R
  ) throws -> Result<R, Errno> {
    var request = RequestID(unique: number)
    for point in crashes {
      switch try attempt(request, dyingAt: point, body) {
      case .answered(let answer): return answer
      case .diedUnanswered:
        try meanwhile(try base().root)
        request = Requests.resent(number)
      case .diedAnswered(let answer):
        try meanwhile(try base().root)
        return answer
      }
    }
    let answer = result(files, request, body)
    files.answered(request)
    return answer
  }

  private func result<R>(
    _ files: VolumeFileSystem, _ request: RequestID, _ body: (VolumeFileSystem, RequestID) throws(Errno) -> R
  ) -> Result<R, Errno> {
    do throws(Errno) { return .success(try body(files, request)) } catch { return .failure(error) }
  }

  private func attempt<R>(
    _ request: RequestID, dyingAt point: CrashPoint, _ body: (VolumeFileSystem, RequestID) throws(Errno) -> R
  ) throws -> Attempt<R> {
    let moment = Moment(memory)
    files.crashes.set { (reached) throws(Errno) in
      if reached == point, moment.take() { throw death }
    }
    let answer = result(files, request, body)
    let isUnanswered = moment.isTaken
    files.answered(request)
    files.crashes.set(nil)
    guard moment.isTaken else { return .answered(answer) }
    died()
    moment.restore()
    try restart()
    return isUnanswered ? .diedUnanswered : .diedAnswered(answer)
  }
}

/// The shared state as it was when a worker died.
private final class Moment: @unchecked Sendable {
  // SAFETY (Sendable): used by the one thread that runs the test.
  private let memory: SharedMemory
  private var bytes: [UInt8]?
  private var nodes: [UInt8] = []
  /// What lies between journal and nodes is not used.
  private static let used =
    SharedStateLayout.journalEntriesOffset
    + SharedStateLayout.journalEntryCount * SharedStateLayout.journalEntrySize

  init(_ memory: SharedMemory) { self.memory = memory }

  var isTaken: Bool { bytes != nil }

  /// - Returns: whether this is the first time.
  func take() -> Bool {
    if bytes != nil { return false }
    bytes = memory.bytes(at: 0, count: Self.used)
    nodes = memory.bytes(
      at: SharedStateLayout.nodesOffset, count: memory.byteCount - SharedStateLayout.nodesOffset)
    return true
  }

  func restore() {
    guard let bytes else { return }
    memory.write(bytes, at: 0)
    memory.write(nodes, at: SharedStateLayout.nodesOffset)
  }
}
