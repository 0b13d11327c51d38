import Glibc
import LinuxSystem

/// The load generator as a process of its own.
final class Application {
  /// The counts since the start, and the longest operation since the last mark.
  struct Mark {
    var operations = 0
    var errors = 0
    var wrong = 0
    /// Milliseconds.
    var longest = 0.0
    var longestName = ""
  }

  private let process: PidFD
  private var input: Pipe
  private let output: Pipe
  private var rest: [UInt8] = []
  /// What it complained of.
  private(set) var complaints: [String] = []

  /// - Parameter program: this program, under a path that can be started.
  init(program: String, folder: String, kind: LoadKind) throws {
    var (input, output) = (try Pipe(), try Pipe())
    var spawn = Spawn(executable: program, arguments: [program, "--load", folder, "--load-kind", kind.rawValue])
    spawn.descriptors = [0: input.reader.rawValue, 1: output.writerNumber]
    process = try spawn.start()
    output.closeWriter()
    (self.input, self.output) = (input, output)
    _ = try answer("ready")
  }

  /// Ends one interval and begins the next.
  func mark() throws -> Mark {
    try input.writer?.descriptor.writeAll([0])
    return Self.mark(try answer("mark"))
  }

  /// Lets it check its files a last time and end.
  func finish() throws -> Mark {
    input.closeWriter()
    let last = Self.mark(try answer("end"))
    _ = try process.wait()
    return last
  }

  /// Ends it where it cannot end by itself.
  func kill() {
    try? process.signal(SIGKILL)
    // A thread that waits for a worker cannot be ended before its request is.
    if (try? process.hasEnded(within: 5_000)) == true { _ = try? process.wait() }
  }

  private static func mark(_ words: [Substring]) -> Mark {
    let numbers = words.map { Double($0) ?? 0 }
    guard numbers.count >= 4 else { return Mark() }
    let longest = numbers.count > 4 ? numbers[4] / 1e6 : 0
    return Mark(
      operations: Int(numbers[1]), errors: Int(numbers[2]), wrong: Int(numbers[3]), longest: longest,
      longestName: words.dropFirst(5).joined(separator: " "))
  }

  /// Reads lines until one that begins so.
  private func answer(_ first: String) throws -> [Substring] {
    while true {
      while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
        let line = String(decoding: rest[..<end], as: UTF8.self)
        rest.removeSubrange(...end)
        let words = line.split(separator: " ")
        if words.first == first[...] { return words }
        complaints.append(line)
      }
      guard try output.reader.descriptor.isReadable(within: 60_000) else {
        throw FaultError("the applications hang: \(waits())")
      }
      let more = try output.reader.descriptor.read(upTo: 65_536)
      if more.isEmpty { throw FaultError("the applications have died: \(complaints.last ?? "without a word")") }
      rest += more
    }
  }

  /// Where its threads wait.
  private func waits() -> String {
    let tasks = (try? DirectoryNames.list("/proc/\(process.pid)/task")) ?? []
    return tasks.compactMap { try? WholeFile.text("/proc/\(process.pid)/task/\($0)/wchan") }.joined(separator: " ")
  }
}

/// fio, which writes and verifies again and again until it is told to end.
final class VerifiedIO: @unchecked Sendable {
  // SAFETY (Sendable): written by its thread before `done` is set, read by the owner afterwards.
  private(set) var runs = 0
  private(set) var failures: [String] = []
  private let isOver = EndFlag()
  private let done: EventFD

  /// Path of fio; nil where it is not installed.
  static let program = (["/usr/bin/fio", "/usr/local/bin/fio"] as [String]).first { access($0, X_OK) == 0 }

  init(program: String, folder: String) throws {
    done = try EventFD()
    try DetachedThread.start(name: "fio", stackSize: 512 << 10) { [self] in
      while !isOver.isSet { run(program, folder) }
      done.signal()
    }
  }

  func finish() throws {
    isOver.set()
    guard try done.descriptor.isReadable(within: 60_000) else { throw FaultError("fio hangs") }
  }

  private func run(_ program: String, _ folder: String) {
    var spawn = Spawn(
      executable: program,
      arguments: [
        "fio", "--name=faults", "--directory=\(folder)", "--filename=fio", "--size=4M", "--bs=16k", "--rw=randwrite",
        "--ioengine=psync", "--verify=crc32c", "--verify_fatal=1", "--do_verify=1", "--verify_state_save=0", "--thread",
        "--fallocate=none", "--randrepeat=0", "--thinktime=500", "--output-format=terse",
      ], environment: ["PATH=/usr/bin:/bin"])
    spawn.workingDirectory = "/"
    do {
      var pipe = try Pipe()
      spawn.descriptors = [1: pipe.writerNumber, 2: pipe.writerNumber]
      let process = try spawn.start()
      pipe.closeWriter()
      let output = try pipe.reader.descriptor.readToEnd()
      runs += 1
      let end = try process.wait()
      if !end.isSuccess { failures.append("fio \(end): \(String(decoding: output.suffix(400), as: UTF8.self))") }
    } catch {
      failures.append("fio: \(error)")
    }
  }
}
