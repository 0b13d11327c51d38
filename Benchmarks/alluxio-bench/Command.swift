import Foundation

/// What went wrong, in a sentence for the person who runs the benchmark.
struct BenchmarkError: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

/// Other programs.
enum Command {
  /// Runs a program of the search path to its end.
  /// - Returns: its standard output.
  static func output(_ name: String, _ arguments: [String]) throws -> Data {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [name] + arguments
    let pipe = Pipe()
    process.standardOutput = pipe
    try process.run()
    let output = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      throw BenchmarkError("\(name) \(arguments.joined(separator: " ")) ended with \(process.terminationStatus)")
    }
    return output
  }

  /// Starts a program that goes on until it is ended.
  /// - Parameter environment: beside what this process has.
  static func start(
    _ path: String, _ arguments: [String], log: String, environment: [String: String] = [:]
  ) throws -> Process {
    _ = FileManager.default.createFile(atPath: log, contents: nil)
    let process = Process()
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = arguments
    if !environment.isEmpty {
      process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    }
    let file = FileHandle(forWritingAtPath: log)
    process.standardOutput = file
    process.standardError = file
    try process.run()
    return process
  }
}
