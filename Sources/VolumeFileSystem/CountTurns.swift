import Synchronization
import UnderFileSystem

/// Turns of those who count the open handles of a node, where it matters for a next worker which of them were counted: it then
/// finds at most one release of a node that was begun and not recorded as counted.
final class CountTurns: Sendable {
  private let turns = InlineArray<16, Mutex<Void>> { _ in Mutex(()) }
  private let isOn: Bool

  /// - Parameter isOn: false: all go at once.
  init(isOn: Bool) { self.isOn = isOn }

  func inTurn<R: Sendable, Failure: Error>(_ node: NodeID, _ body: () throws(Failure) -> R) throws(Failure) -> R {
    guard isOn else { return try body() }
    return try turns[Int(truncatingIfNeeded: node & 15)].withLock { (_) throws(Failure) in try body() }
  }
}
