import Glibc
package import LinuxSystem
package import SystemPackage

/// A program of the system, run to its end with the bytes that it is to read.
package struct Program: Sendable {
  /// What a run left.
  package struct Outcome: Sendable {
    /// How it ended.
    package var exit: ProcessExit?
    /// Bytes of its standard output, then those of its standard error.
    package var output: [UInt8]

    /// Whether it exited with 0.
    package var succeeded: Bool { exit?.isSuccess ?? false }
    /// The output as text.
    package var text: String { String(decoding: output, as: UTF8.self) }
  }

  /// Runs a program found on the PATH, with a few variables of this process's environment.
  /// - Throws: ENOENT when it is not there, ETIMEDOUT when it does not end within `Waiting.limit`.
  package static func run(_ name: String, _ arguments: [String], input: [UInt8] = []) throws(Errno) -> Outcome {
    let path = name.contains("/") ? name : Machine.program(name)
    guard let path else { throw Errno.noSuchFileOrDirectory }
    let environment = ["PATH", "HOME", "TMPDIR", "PROTOBUF_INCLUDE"].compactMap { name in
      Environment[name].map { "\(name)=\($0)" }
    }
    let source = try Memfd.sealed(name: "program-input", bytes: input)
    let sink = try Memfd.create(name: "program-output")
    // Both streams append to one file, each to its own end when it is a second descriptor of the same description.
    let errors = try sink.duplicate()
    var spawn = Spawn(executable: path, arguments: [path] + arguments, environment: environment)
    let start = try Descriptor.open("/proc/self/fd/\(source.rawValue)", O_RDONLY)
    spawn.descriptors = [0: start.rawValue, 1: sink.rawValue, 2: errors.rawValue]
    let process = try spawn.start()
    do {
      let exit = try Waiting.untilEnded(process)
      return Outcome(exit: exit, output: try Memfd.contents(of: sink, limit: 64 << 20))
    } catch .timedOut {
      try process.signal(SIGKILL)
      _ = try process.wait()
      throw Errno.timedOut
    }
  }
}
