import Glibc

/// What an application works on beneath the mount.
enum Disk: Sendable {
  case roomy
  /// A file system that its applications fill.
  case small
  /// As `roomy`, and nothing can be written to /tmp.
  case fullTemporaryFolder
}

/// One cell of the matrix: a fault, repeated under load.
struct Cell: Sendable {
  var name: String
  var fault: Fault
  /// Faults in a full and in a short run.
  var repetitions: (full: Int, short: Int)
  var disk = Disk.roomy
  var load = LoadKind.all
  /// Beside those that every mounter gets.
  var mounterOptions: [String] = []

  init(
    _ name: String, _ fault: Fault, full: Int, short: Int, on disk: Disk = .roomy, load: LoadKind = .all,
    mounterOptions: [String] = []
  ) {
    (self.name, self.fault, repetitions) = (name, fault, (full, short))
    (self.disk, self.load, self.mounterOptions) = (disk, load, mounterOptions)
  }

  /// All cells, the most valuable first.
  static let all: [Cell] = [
    Cell("no fault", .none, full: 20, short: 3),
    Cell("SIGKILL × worker", .worker(SIGKILL), full: 100, short: 10),
    Cell("SIGSEGV × worker", .worker(SIGSEGV), full: 30, short: 5),
    Cell("storm of 6 kills while a read waits × worker", .storm, full: 20, short: 2),
    Cell("OOM × worker", .outOfMemory, full: 20, short: 3),
    // The pause is what the mounter is told to wait before it kills: two minutes, where nobody says otherwise.
    Cell(
      "SIGSTOP × worker, killed after 2 s", .stoppedWorker, full: 5, short: 1,
      mounterOptions: ["--notice-after", "1", "--kill-after", "2"]),
    Cell("SIGTERM × worker", .worker(SIGTERM), full: 20, short: 3),
    Cell("SIGKILL × plugin", .plugin(SIGKILL), full: 20, short: 3),
    Cell("graceful × plugin", .plugin(SIGTERM), full: 20, short: 3),
    Cell("SIGKILL × mounter", .servingMounter, full: 20, short: 3),
    Cell("graceful × mounter", .mounterContainer, full: 5, short: 2),
    Cell("SIGKILL × mounter, then plugin", .mounterThenPlugin, full: 10, short: 2),
    Cell("SIGKILL × mounter and plugin", .mounterAndPlugin, full: 10, short: 2),
    // What the mounter holds of files without a name goes with it until custody has copies.
    Cell("SIGKILL × worker and mounter", .workerAndMounter, full: 20, short: 3),
    Cell("SIGKILL × worker and plugin", .workerAndPlugin, full: 20, short: 3),
    Cell(
      "SIGKILL × worker, ENOSPC of the under file system", .worker(SIGKILL), full: 20, short: 3, on: .small, load: .full
    ),
    Cell("SIGKILL × worker, /tmp full", .worker(SIGKILL), full: 20, short: 3, on: .fullTemporaryFolder),
  ]

  /// Cells that do not hold yet, and why: a full run shows them and does not fail by them, a short run leaves them out.
  static let open: [String: String] = [:]

  /// Cells of the matrix that nothing can be run for yet, and why.
  static let missing: [(name: String, reason: String)] = [
    ("upgrade × mounter, plugin, worker", "not built yet"),
    ("all gone, as after a reboot", "not built yet"),
    ("EIO, hang of the under file system", "no file system that fails so at a command is part of the matrix yet"),
    ("plugin and mounter in namespaces of their own", "not part of the matrix yet"),
  ]
}
