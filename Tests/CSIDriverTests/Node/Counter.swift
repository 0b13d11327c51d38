import Synchronization

/// A number that tasks count together.
final class Counter: Sendable {
  private let atomic = Atomic<Int>(0)

  var value: Int { atomic.load(ordering: .relaxed) }

  /// - Returns: the number after.
  @discardableResult
  func add(_ difference: Int) -> Int { atomic.add(difference, ordering: .relaxed).newValue }
}

/// A value that tasks share.
final class SharedBox<Value: Sendable>: Sendable {
  private let stored: Mutex<Value>

  init(_ value: Value) { stored = Mutex(value) }

  var value: Value {
    get { stored.withLock { $0 } }
    set { stored.withLock { $0 = newValue } }
  }
}
