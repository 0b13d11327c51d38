/// A process that uses a mount, for messages to people.
package struct ProcessReference: Sendable, Hashable, CustomStringConvertible {
  /// What keeps the mount busy.
  package enum Use: String, Sendable, Hashable {
    case workingDirectory = "working directory"
    case rootDirectory = "root directory"
    case openFile = "open file"
    case mappedFile = "mapped file"
  }

  /// In the PID namespace of `/proc`.
  package var pid: Int32
  /// At most 15 bytes, as the process named itself.
  package var command: String
  package var use: Use

  package init(pid: Int32, command: String, use: Use) {
    self.pid = pid
    self.command = command
    self.use = use
  }

  /// `postgres (pid 4711, open file)`.
  package var description: String { "\(command) (pid \(pid), \(use.rawValue))" }
}
