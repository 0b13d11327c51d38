import ApplicationLoad
import Glibc
import LinuxSystem

/// Which applications run in a load process.
enum LoadKind: String {
  /// All of them.
  case all
  /// Those that a full under file system must not disturb, and one that fills it.
  case full
  /// Those that open their files again after an error.
  case reopening
  /// Those that an object store can serve.
  case objects
}

/// An application: works on the mount, and checks what it gets, until it is told to end.
protocol LoadTask: Sendable {
  /// Threads that run it.
  var threads: Int { get }
  /// Called once on each thread.
  func run(_ answers: Answers, thread: Int, until isOver: EndFlag)
}

extension LoadTask {
  var threads: Int { 1 }

  /// Leaves the processors to others between two operations, for a time that hits every point of them.
  func pause() { usleep(.random(in: 200...1_500)) }
}

/// The load generator: a process of its own, since who holds files of a mount may have to wait for its worker.
///
/// For each line on standard input it prints `mark OPERATIONS ERRORS WRONG TOLERATED NANOSECONDS NAME`: the counts since the start, and
/// the longest operation since the last mark. When standard input ends, the applications check their files a last time
/// and it prints `end OPERATIONS ERRORS WRONG TOLERATED`.
struct LoadProcess {
  let folder: String
  let kind: LoadKind
  /// Errors of an outage.
  let tolerated: Set<CInt>

  func run() -> Never {
    let answers = Answers(tolerating: tolerated)
    let isOver = EndFlag()
    Self.reportBusErrors()
    let content = SharedContent.bytes
    let reads: [any LoadTask] = [
      BufferedReads(folder: folder, content: content), DirectReads(folder: folder, content: content),
      MappedReads(folder: folder, content: content), SlowListing(folder: folder),
    ]
    let writes: [any LoadTask] = [
      RandomWrites(folder: folder), PassedWrites(folder: folder), Appends(folder: folder), NameCycles(folder: folder),
      HeldLocks(folder: folder),
    ]
    let nameless = UnlinkedFiles(folder: folder)
    let tasks: [any LoadTask] =
      switch kind {
      case .all: reads + writes + [nameless]
      case .full: reads + [FillingWrites(folder: folder)]
      case .objects:
        reads + [RandomWrites(folder: folder), ObjectWrites(folder: folder), ObjectNames(folder: folder)]
      case .reopening: [ReopenedReads(folder: folder, content: content), ReopenedWrites(folder: folder)]
      }
    let running = tasks.flatMap { task in
      (0..<task.threads).map { number in LoadThread { task.run(answers, thread: number, until: isOver) } }
    }
    Answers.say("ready")
    var byte: UInt8 = 0
    while Glibc.read(STDIN_FILENO, &byte, 1) == 1 {
      guard byte == UInt8(ascii: "\n") else { continue }
      let counts = answers.mark()
      Answers.say("mark \(counts.line) \(counts.longest) \(counts.longestName)")
    }
    isOver.set()
    for thread in running { thread.join() }
    let counts = answers.mark()
    Answers.say("end \(counts.line)")
    exit(counts.errors + counts.wrong == 0 && counts.operations > 0 ? 0 : 1)
  }

  /// A mapped page that cannot be read ends the process; it says so first.
  private static func reportBusErrors() {
    var action = sigaction()
    action.__sigaction_handler.sa_handler = { _ in
      let text: StaticString = "error a mapped page could not be read: SIGBUS\n"
      _ = Glibc.write(STDOUT_FILENO, text.utf8Start, text.utf8CodeUnitCount)
      _exit(1)
    }
    sigaction(SIGBUS, &action, nil)
  }
}

/// What the files that are only read hold.
enum SharedContent {
  static let size = 2 << 20
  static let entries = 3_000

  static let bytes: [UInt8] = {
    var bytes = [UInt8](repeating: 0, count: size)
    var state: UInt64 = 0x9E37_79B9_7F4A_7C15
    for index in bytes.indices {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      bytes[index] = UInt8(truncatingIfNeeded: state >> 33)
    }
    return bytes
  }()

  static func entry(_ number: Int) -> String { "entry-\(number)" }

  /// Makes them in the under file system, beside the mount.
  static func make(in folder: String) throws {
    try Descriptor.open("\(folder)/content", O_WRONLY | O_CREAT | O_TRUNC, mode: 0o644).writeAll(bytes)
    try Descriptor.open("\(folder)/\(PassedWrites.name)", O_WRONLY | O_CREAT | O_TRUNC, mode: 0o644).writeAll(
      Array(bytes.prefix(PassedWrites.size)))
    try Folder.make("\(folder)/entries", mode: 0o755)
    for number in 0..<entries {
      _ = try Descriptor.open("\(folder)/entries/\(entry(number))", O_WRONLY | O_CREAT, mode: 0o644)
    }
  }
}
