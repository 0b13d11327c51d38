/// What one look at a node has shown.
package struct Finding: Codable, Sendable, Hashable {
  /// As it is printed at the head of a line.
  package enum State: String, Codable, Sendable, Hashable, CaseIterable {
    case ok = "OK"
    /// Volumes work, and something is slower, or missing when it is needed.
    case warning = "WARN"
    /// Some volume does not work on this node.
    case failure = "FAIL"
  }

  /// What was looked at, in one or two words.
  package var check: String
  package var state: State
  /// What was found; one sentence without a full stop, and without a secret.
  package var what: String
  /// What to do; nil where nothing is to be done.
  package var fix: String?

  package init(check: String, state: State, what: String, fix: String? = nil) {
    self.check = check
    self.state = state
    self.what = what
    self.fix = fix
  }
}

extension Finding: CustomStringConvertible {
  /// One line.
  package var description: String {
    let head = "\(Self.padded(state.rawValue, 6))\(Self.padded(check, 15))\(what)"
    return fix.map { "\(head): \($0)" } ?? head
  }

  private static func padded(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(1, width - text.utf8.count))
  }
}
