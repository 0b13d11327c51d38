import ApplicationLoad
import Glibc
import LinuxSystem

/// The load generator as a process of its own.
final class Application {
  /// The counts since the start, and the longest operation since the last mark.
  struct Mark {
    var operations = 0
    var errors = 0
    var wrong = 0
    /// Errors of an outage.
    var tolerated = 0
    /// Milliseconds.
    var longest = 0.0
    var longestName = ""
  }

  struct Pod {
    /// Where the container has the volume.
    var data: String
    /// Not in the container.
    var kubelet: String
  }

  private let process: TalkingProcess
  /// What it complained of.
  private(set) var complaints: [String] = []

  /// - Parameters:
  ///   - program: this program, under a path that can be started.
  ///   - folder: what is published.
  ///   - pod: it runs as the container of a pod with `mountPropagation: HostToContainer`.
  init(program: String, folder: String, kind: LoadKind, tolerated: Set<CInt>, pod: Pod?) throws {
    let errors = tolerated.sorted().map(String.init).joined(separator: ",")
    let load = ["--load", pod?.data ?? folder, "--load-kind", kind.rawValue, "--tolerated", errors]
    process =
      if let pod {
        try TalkingProcess(
          PodNamespace.unshare,
          PodNamespace.arguments(
            for: [program] + load, showing: folder, at: pod.data, hiding: pod.kubelet, .hostToContainer),
          environment: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"])
      } else {
        try TalkingProcess(program, load)
      }
    _ = try answer("ready")
  }

  /// Ends one interval and begins the next.
  func mark() throws -> Mark {
    try process.say("mark")
    return Self.mark(try answer("mark"))
  }

  /// Lets it check its files a last time and end.
  func finish() throws -> Mark {
    process.closeInput()
    let last = Self.mark(try answer("end"))
    _ = try process.process.wait()
    return last
  }

  private static func mark(_ words: [Substring]) -> Mark {
    let numbers = words.map { Double($0) ?? 0 }
    guard numbers.count >= 5 else { return Mark() }
    let longest = numbers.count > 5 ? numbers[5] / 1e6 : 0
    return Mark(
      operations: Int(numbers[1]), errors: Int(numbers[2]), wrong: Int(numbers[3]), tolerated: Int(numbers[4]),
      longest: longest, longestName: words.dropFirst(6).joined(separator: " "))
  }

  /// Reads lines until one that begins so.
  private func answer(_ first: String) throws -> [Substring] {
    while true {
      let line: String?
      do { line = try process.line(within: 60_000) } catch { throw FaultError("the applications hang: \(waits())") }
      guard let line else {
        throw FaultError("the applications have died: \(complaints.last ?? "without a word")")
      }
      let words = line.split(separator: " ")
      if words.first == first[...] { return words }
      complaints.append(line)
    }
  }

  /// Where its threads wait.
  private func waits() -> String {
    let folder = "/proc/\(process.process.pid)/task"
    let tasks = (try? DirectoryNames.list(folder)) ?? []
    return tasks.compactMap { try? WholeFile.text("\(folder)/\($0)/wchan") }.joined(separator: " ")
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
