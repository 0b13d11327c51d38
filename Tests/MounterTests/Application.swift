import ApplicationLoad
import TestSupport

/// An application: a shell with open files. A process of its own, since a file of the test's process would be closed in
/// every child that other tests start meanwhile, and the close waits for a worker.
final class Application: Sendable {
  private let process: TalkingProcess

  init(_ script: String, _ arguments: [String]) throws {
    process = try TalkingProcess(
      "/bin/sh", ["-euc", script, "sh"] + arguments, environment: ["PATH=/usr/bin:/bin"])
  }

  /// Gives it a line. - Returns: the line that it answers; empty when it has ended.
  func ask(_ line: String) async throws -> String {
    try await OwnThread.run { [self] in
      try process.say(line)
      return try process.line(within: Waiting.limit) ?? ""
    }
  }

  /// Closes its input and waits for its end.
  func end() async throws {
    process.closeInput()
    _ = try await OwnThread.run { [self] in try Waiting.untilEnded(process.process) }
  }
}
