/// Where an application puts each answer that it gets, and what it must have been.
package protocol AnswerCheck: Sendable {
  /// Makes a system call and checks its answer.
  /// - Parameters:
  ///   - expected: the errno that it must answer; 0: success.
  ///   - call: gives -1 for a failure, with errno.
  /// - Returns: what the call gave.
  @discardableResult
  func call(_ what: StaticString, expecting expected: CInt, _ call: () -> Int) -> Int

  /// Counts a content or a state that must be right.
  func check(_ isRight: Bool, _ what: @autoclosure () -> String)
}

extension AnswerCheck {
  /// A call that must succeed.
  @discardableResult
  package func call(_ what: StaticString, _ call: () -> Int) -> Int { self.call(what, expecting: 0, call) }
}
