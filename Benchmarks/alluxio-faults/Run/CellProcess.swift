import ApplicationLoad
import FoundationEssentials
import Glibc
import LinuxSystem
import Synchronization

/// One cell of the matrix in a process of its own, which is PID 1 of a PID namespace and has a mount namespace: whatever it
/// starts and mounts ends with it. It ends with this process as well, whose end of a pipe it watches.
struct CellProcess {
  let cell: Cell
  /// Passed on as they are: `--binaries`, `--faults` and the like.
  let arguments: [String]

  /// Where the cell finds the pipe.
  static let lifeline: CInt = 3
  private static let holder = Mutex<Pipe?>(nil)
  private static let isInterrupted = Atomic(false)

  /// SIGINT and SIGTERM end the cell that runs; no other one starts.
  static func catchInterruptions() throws {
    try TerminationSignal.install { _ in
      isInterrupted.store(true, ordering: .relaxed)
      holder.withLock { $0 = nil }
    }
  }

  static var wasInterrupted: Bool { isInterrupted.load(ordering: .relaxed) }

  /// Runs the cell to its end, and removes what it leaves.
  func run() throws -> CellResult {
    let folder = try RunFolder()
    defer { folder.remove() }
    let exit = try end(in: folder)
    if Self.wasInterrupted { throw FaultError("interrupted") }
    guard let bytes = try? Data(contentsOf: URL(fileURLWithPath: folder.result)) else {
      return CellResult(name: cell.name, failure: "the cell's process ended without a result: \(exit)")
    }
    var result = try JSONDecoder().decode(CellResult.self, from: bytes)
    if result.holds, let left = folder.immutable().first { result.failure = "\(left) was left immutable" }
    return result
  }

  private func end(in folder: RunFolder) throws -> ProcessExit {
    var spawn = Spawn(
      executable: PodNamespace.unshare,
      arguments: [
        "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private",
        ExecutablePath.own, "--cell", cell.name, "--folder", folder.path,
      ] + arguments, environment: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"])
    // Ctrl-C of a terminal comes to this process alone, which ends the cell in order.
    spawn.newSession = true
    spawn.descriptors = [Self.lifeline: try Self.makeLifeline()]
    let process = try spawn.start()
    defer { Self.holder.withLock { $0 = nil } }
    if Self.wasInterrupted { Self.holder.withLock { $0 = nil } }
    return try process.wait()
  }

  /// - Returns: the cell's end.
  private static func makeLifeline() throws -> CInt {
    let pipe = try Pipe()
    holder.withLock { $0 = pipe }
    return pipe.reader.rawValue
  }

  /// In the cell's process: ends it, and so everything in its namespaces, when the one who has started it is gone.
  static func endWithStarter(thawing folder: String) throws {
    try DetachedThread.start(name: "lifeline", stackSize: 512 << 10) {
      var byte: UInt8 = 0
      while read(lifeline, &byte, 1) < 0, errno == EINTR {}
      // Who writes to a frozen file system cannot be killed.
      for entry in (try? MountTable.read().beneath(folder)) ?? [] { try? Freezer.thaw(entry.mountPoint) }
      _exit(1)
    }
  }
}
