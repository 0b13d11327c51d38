import Glibc
package import LinuxSystem
import Synchronization
package import SystemPackage

/// A process that is fed on its standard input and answers on its standard output. Dropped, it is killed; one that waits for
/// a worker can be ended only when that request is.
package final class TalkingProcess: Sendable {
  package let process: PidFD
  private let input: Mutex<Pipe>
  private let output: Pipe
  /// Read and not yet given away.
  private let rest = Mutex<[UInt8]>([])

  package init(_ program: String, _ arguments: [String], environment: [String] = []) throws(Errno) {
    let input = try Pipe()
    var output = try Pipe()
    var spawn = Spawn(executable: program, arguments: [program] + arguments, environment: environment)
    spawn.descriptors = [0: input.reader.rawValue, 1: output.writerNumber]
    process = try spawn.start()
    output.closeWriter()
    self.input = Mutex(input)
    self.output = output
  }

  deinit {
    try? process.signal(SIGKILL)
    if (try? process.hasEnded(within: 5_000)) == true { _ = try? process.waitIfEnded() }
  }

  package func say(_ line: String) throws(Errno) {
    try input.withLock { $0.writer }?.descriptor.writeAll(Array((line + "\n").utf8))
  }

  /// The next line.
  /// - Parameter milliseconds: how long to wait for it; -1: for ever.
  /// - Returns: nil when the process has closed its output.
  /// - Throws: ETIMEDOUT.
  package func line(within milliseconds: CInt) throws(Errno) -> String? {
    while true {
      let line = rest.withLock { rest -> String? in
        guard let end = rest.firstIndex(of: UInt8(ascii: "\n")) else { return nil }
        defer { rest.removeSubrange(...end) }
        return String(decoding: rest[..<end], as: UTF8.self)
      }
      if let line { return line }
      guard try output.reader.descriptor.isReadable(within: milliseconds) else { throw .timedOut }
      let more = try output.reader.descriptor.read(upTo: 65_536)
      if more.isEmpty { return nil }
      rest.withLock { $0 += more }
    }
  }

  /// Closes its input, which says that it is to end.
  package func closeInput() { input.withLock { $0.closeWriter() } }
}
