import ApplicationLoad
import Foundation
import LinuxSystem

/// How the programs of a node run.
enum Arrangement: String, Codable, CaseIterable {
  /// In the namespaces of the cell, the mounter as PID 1 of a container would.
  case beside
  /// Mounter and plugin each in a mount and a PID namespace of its own, over one shared kubelet folder, as their containers;
  /// applications have a copy of the target's mount and what it receives, as pods do with `HostToContainer`.
  case apart
  /// In the namespaces of the cell; the plugin starts the mounter.
  case own
}

/// A program of the driver: killed when dropped.
final class NodeProgram {
  /// The program; in a namespace of its own the first process there, with whose end all others of it end.
  let process: PidFD
  /// Ends by itself when the namespace is gone.
  private let keeper: PidFD?

  init(
    binaries: String, work: String, name: String, arguments: [String], environment: [String], isApart: Bool
  ) throws {
    let log = try Descriptor.open("\(work)/\(name).log", O_WRONLY | O_CREAT | O_APPEND, mode: 0o600)
    let program = ["\(binaries)/\(name)"] + arguments
    // Mounts of the kubelet's folder, which is shared, go both ways; all others stay.
    let prefix =
      isApart
      ? [
        PodNamespace.unshare, "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation",
        "unchanged",
      ] : []
    let whole = prefix + program
    var spawn = Spawn(
      executable: whole[0], arguments: whole, environment: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"] + environment)
    spawn.descriptors = [1: log.rawValue, 2: log.rawValue]
    let started = try withExtendedLifetime(log) { try spawn.start() }
    guard isApart else {
      (process, keeper) = (started, nil)
      return
    }
    guard let first = try Self.firstChild(of: started) else {
      _ = try? started.wait()
      throw FaultError("unshare did not start \(name)")
    }
    (process, keeper) = (first, started)
  }

  deinit { kill() }

  private static func firstChild(of process: PidFD) throws -> PidFD? {
    while try !process.hasEnded() {
      let path = "/proc/\(process.pid)/task/\(process.pid)/children"
      if let pid = try WholeFile.text(path).split(separator: " ").first.flatMap({ Int32($0) }) {
        return try PidFD(pid: pid)
      }
      usleep(500)
    }
    return nil
  }

  func kill() {
    try? process.signal(SIGKILL)
    if (try? process.hasEnded(within: 10_000)) == true { reap() }
  }

  /// The process has ended.
  func reap() { _ = try? (keeper ?? process).wait() }
}
