import Glibc
import LinuxSystem
import Synchronization
package import SystemPackage
import TestSupport

/// A server in a process of its own, on a free port of 127.0.0.1, from its readiness to the end of this object. It ends with
/// the test process, too, however that ends.
package final class ServerProcess: Sendable {
  package let port: UInt16
  /// `http://127.0.0.1:PORT`.
  package var url: String { "http://127.0.0.1:\(port)" }
  /// `https://localhost:PORT`: certificates name hosts.
  package var encryptedURL: String { "https://localhost:\(port)" }

  private let process: PidFD
  /// Its end tells run.py to end the server.
  private let lifeline: Mutex<Pipe>

  /// Why a server is not there.
  package struct Failure: Error, CustomStringConvertible {
    package let description: String
  }

  /// Starts a server and waits until it listens.
  /// - Parameters:
  ///   - command: the program and its arguments; a program without a slash is one of the Python environment.
  ///   - ready: what the server prints when it listens, a regular expression of Python whose first group is the port.
  ///   - port: for a server that is told its port and does not tell it; `ready` then has no group.
  ///   - environment: `KEY=value`, beside PATH, HOME and TMPDIR.
  package init(_ command: [String], ready: String, port: UInt16? = nil, environment: [String] = []) throws {
    let python = try PythonEnvironment.path.get()
    let program = command[0].contains("/") ? command[0] : "\(python)/bin/\(command[0])"
    let arguments =
      ["python", PythonEnvironment.script("run.py"), ready, program] + command.dropFirst()
    let inherited = ["PATH", "HOME", "TMPDIR"].compactMap { name in Environment[name].map { "\(name)=\($0)" } }
    var input = try Pipe()
    var output = try Pipe()
    var spawn = Spawn(
      executable: "\(python)/bin/python", arguments: arguments, environment: inherited + environment)
    spawn.newSession = true
    // Nothing of it writes to what the tests print to, which whoever reads that would wait for.
    spawn.descriptors = [0: input.reader.rawValue, 1: output.writerNumber, 2: output.writerNumber]
    process = try spawn.start()
    output.closeWriter()
    let line = try Self.firstLine(of: output.reader)
    guard let printed = UInt16(line) else {
      input.closeWriter()
      _ = try? process.wait()
      throw Failure(description: "\(command[0]) did not start: \(line)")
    }
    self.port = port ?? printed
    lifeline = Mutex(input)
  }

  deinit {
    lifeline.withLock { $0.closeWriter() }
    end()
  }

  /// Reaps it, which has been told to end; by force when it does not.
  private func end() {
    if (try? Waiting.untilEnded(process)) == nil {
      try? process.signal(SIGKILL)
      _ = try? process.wait()
    }
  }

  /// The port, or all that a server printed that has ended.
  private static func firstLine(of reader: SharedDescriptor) throws(Errno) -> String {
    var bytes: [UInt8] = []
    while true {
      try Waiting.untilReadable(reader.descriptor)
      let part = try reader.descriptor.read(upTo: 65_536)
      bytes += part
      let text = String(decoding: bytes, as: UTF8.self)
      if part.isEmpty { return text }
      if let end = text.firstIndex(of: "\n"), UInt16(text[..<end]) != nil { return String(text[..<end]) }
    }
  }
}

/// A port of 127.0.0.1 that nobody listens on at this moment, for servers that cannot choose one themselves.
package func freePort() throws(Errno) -> UInt16 {
  let socket = Descriptor(adopting: try Syscall.once { Glibc.socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0) })
  let number = socket.rawValue
  var address = sockaddr_in()
  address.sin_family = sa_family_t(AF_INET)
  address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
  var length = socklen_t(MemoryLayout<sockaddr_in>.size)
  try withUnsafeMutablePointer(to: &address) { (pointer) throws(Errno) in
    let generic = UnsafeMutableRawPointer(pointer).assumingMemoryBound(to: sockaddr.self)
    try Syscall.once { bind(number, generic, length) }
    try Syscall.once { getsockname(number, generic, &length) }
  }
  return UInt16(bigEndian: address.sin_port)
}

/// Python with the servers' packages, made on first use by scripts/python-environment.sh.
package enum PythonEnvironment {
  /// The folder of the virtual environment.
  package static let path = Result {
    let root = BuildFolder.sources()
    let made = try Program.run(
      "\(root)/scripts/python-environment.sh", [".build-python", "Tests/ObjectStoreServers/servers/requirements.txt"])
    guard made.succeeded else { throw ServerProcess.Failure(description: made.text) }
    return "\(root)/.build-python"
  }

  /// The path of a script in `servers`.
  package static func script(_ name: String) -> String {
    "\(BuildFolder.sources())/Tests/ObjectStoreServers/servers/\(name)"
  }
}
