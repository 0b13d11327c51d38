import Synchronization

/// A number that tasks count together.
final class Counter: Sendable {
  private let atomic = Atomic<Int>(0)

  var value: Int { atomic.load(ordering: .relaxed) }

  /// - Returns: the number after.
  @discardableResult
  func add(_ difference: Int) -> Int { atomic.add(difference, ordering: .relaxed).newValue }
}
