import Glibc

/// What an application works on beneath the mount.
enum Disk: Sendable {
  /// A bucket of an object store on this machine.
  case bucket
  /// An ext4 of its own in memory, so that the machine's disk does not decide how long a pause is. Where none can be made, a
  /// folder.
  case roomy
  /// The same, to be frozen and lost; there must be one.
  case own
  /// A file system that its applications fill.
  case small
  /// As `roomy`, and nothing can be written to /tmp.
  case fullTemporaryFolder
}

/// What errors applications may see in a cell.
enum Outage: Sendable {
  case none
  /// From a fault until its end; these errors only.
  case passing(Set<CInt>)
  /// From the first fault on; these errors only.
  case lasting(Set<CInt>)

  var errors: Set<CInt> {
    switch self {
    case .none: []
    case .passing(let errors), .lasting(let errors): errors
    }
  }
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
  /// Of the volume, beside its path.
  var attributes: [String: String] = [:]
  var outage = Outage.none
  /// A full run goes through all of them, a short one takes one.
  var arrangements: [Arrangement] = [.beside, .apart]
  var arrangement = Arrangement.beside

  init(
    _ name: String, _ fault: Fault, full: Int, short: Int, on disk: Disk = .roomy, load: LoadKind = .all,
    mounterOptions: [String] = [], attributes: [String: String] = [:], outage: Outage = .none,
    in arrangements: [Arrangement] = [.beside, .apart]
  ) {
    (self.name, self.fault, repetitions) = (name, fault, (full, short))
    (self.disk, self.load, self.mounterOptions) = (disk, load, mounterOptions)
    self.attributes = attributes
    (self.outage, self.arrangements) = (outage, arrangements)
  }

  /// Every cell in each of its arrangements.
  static let all: [Cell] = kinds.flatMap(\.arranged)

  /// Every cell that holds, once: in one arrangement or the other, in turn.
  static let short: [Cell] = kinds.filter { open[$0.name] == nil }.enumerated().map { number, cell in
    let arranged = cell.arranged
    return arranged[number % arranged.count]
  }

  private var arranged: [Cell] {
    arrangements.map { arrangement in
      var cell = self
      cell.arrangement = arrangement
      switch arrangement {
      case .beside: break
      case .apart: cell.name += ", namespaces apart"
      case .own: cell.name += ", the plugin's own mounter"
      }
      return cell
    }
  }

  /// Why it does not hold yet.
  var reason: String? { Self.open.first { name == $0.key || name.hasPrefix($0.key + ", ") }?.value }

  /// All cells, the most valuable first.
  private static let kinds = directoryKinds + objectKinds

  private static let directoryKinds: [Cell] = [
    Cell("no fault", .none, full: 20, short: 3),
    Cell("SIGKILL × worker", .worker(SIGKILL), full: 100, short: 10, in: [.beside, .apart, .own]),
    Cell(
      "SIGKILL × worker, without passthrough", .worker(SIGKILL), full: 100, short: 5,
      attributes: ["passthrough": "false"]),
    Cell("SIGSEGV × worker", .worker(SIGSEGV), full: 30, short: 5),
    Cell("storm of 6 kills while a read waits × worker", .storm, full: 20, short: 2),
    Cell("OOM × worker", .outOfMemory, full: 20, short: 3),
    // The pause is what the mounter is told to wait before it kills: two minutes, where nobody says otherwise.
    Cell(
      "SIGSTOP × worker, killed after 2 s", .stoppedWorker, full: 5, short: 1,
      mounterOptions: ["--notice-after", "1", "--kill-after", "2"]),
    Cell("SIGTERM × worker", .worker(SIGTERM), full: 20, short: 3),
    Cell("SIGKILL × plugin", .plugin(SIGKILL), full: 20, short: 3, in: [.beside, .apart, .own]),
    Cell("graceful × plugin", .plugin(SIGTERM), full: 20, short: 3, in: [.own, .beside, .apart]),
    Cell("SIGKILL × mounter", .servingMounter, full: 20, short: 3, in: [.beside, .apart, .own]),
    Cell("graceful × mounter", .mounterContainer, full: 5, short: 2),
    Cell("upgrade × mounter", .mounterUpgrade, full: 20, short: 2),
    Cell("upgrade × worker", .workerUpgrade, full: 20, short: 2),
    Cell("upgrade × mounter and plugin", .bothUpgraded, full: 10, short: 2),
    Cell("SIGKILL × mounter, then plugin", .mounterThenPlugin, full: 10, short: 2),
    Cell("SIGKILL × mounter and plugin", .mounterAndPlugin, full: 10, short: 2, in: [.own, .beside, .apart]),
    Cell("SIGKILL × worker and mounter", .workerAndMounter, full: 20, short: 3, in: [.beside, .apart, .own]),
    Cell("SIGKILL × worker and plugin", .workerAndPlugin, full: 20, short: 3),
    Cell(
      "all gone, as after a reboot", .reboot, full: 10, short: 2, load: .reopening,
      outage: .passing([ENOTCONN, ECONNABORTED, EIO, ENOENT, EPERM])),
    Cell("full under file system, SIGKILL × worker", .worker(SIGKILL), full: 20, short: 3, on: .small, load: .full),
    Cell("full /tmp, SIGKILL × worker", .worker(SIGKILL), full: 20, short: 3, on: .fullTemporaryFolder),
    Cell("hanging under file system, SIGKILL × worker", .hang, full: 10, short: 2, on: .own),
    Cell(
      "EIO of the under file system, SIGKILL × worker", .lostDisk, full: 10, short: 3, on: .own, load: .reopening,
      outage: .lasting([EIO])),
  ]

  /// The same over a bucket: reads, listings, uploads and renames.
  private static let objectKinds: [Cell] = [
    objects("no fault", .none, full: 20, short: 3),
    objects("SIGKILL × worker", .worker(SIGKILL), full: 100, short: 10, in: [.beside, .apart, .own]),
    objects("SIGSEGV × worker", .worker(SIGSEGV), full: 20, short: 3),
    objects("storm of 6 kills while a read waits × worker", .storm, full: 10, short: 1),
    objects("OOM × worker", .outOfMemory, full: 10, short: 2),
    objects(
      "SIGSTOP × worker, killed after 2 s", .stoppedWorker, full: 5, short: 1,
      mounterOptions: ["--notice-after", "1", "--kill-after", "2"]),
    objects("SIGKILL × plugin", .plugin(SIGKILL), full: 10, short: 2),
    objects("SIGKILL × mounter", .servingMounter, full: 20, short: 2, in: [.beside, .apart, .own]),
    objects("graceful × mounter", .mounterContainer, full: 5, short: 1),
    objects("upgrade × mounter", .mounterUpgrade, full: 10, short: 1),
    objects("upgrade × worker", .workerUpgrade, full: 20, short: 2),
    objects("SIGKILL × mounter and plugin", .mounterAndPlugin, full: 10, short: 1, in: [.own, .beside, .apart]),
    objects("SIGKILL × worker and mounter", .workerAndMounter, full: 20, short: 2),
    objects("SIGKILL × worker and plugin", .workerAndPlugin, full: 10, short: 1),
    objects("hanging store, SIGKILL × worker", .hangingStore, full: 10, short: 2),
    objects(
      "all gone, as after a reboot", .reboot, full: 10, short: 1, load: .reopening,
      outage: .passing([ENOTCONN, ECONNABORTED, EIO, ENOENT, EPERM])),
  ]

  private static func objects(
    _ name: String, _ fault: Fault, full: Int, short: Int, load: LoadKind = .objects, mounterOptions: [String] = [],
    outage: Outage = .none, in arrangements: [Arrangement] = [.beside, .apart]
  ) -> Cell {
    Cell(
      "s3, \(name)", fault, full: full, short: short, on: .bucket, load: load, mounterOptions: mounterOptions,
      outage: outage, in: arrangements)
  }

  /// Cells that do not hold yet, and why: a full run shows them and does not fail by them, a short run leaves them out.
  static let open: [String: String] = [:]

  /// Cells of the matrix that nothing can be run for yet, and why.
  static let missing: [(name: String, reason: String)] = []
}
