import Foundation
import GRPC
import LinuxSystem
import Mounter
import VolumeModel

/// The driver under measurement: one plugin with both services, its mounter, and folders of its own.
final class Plugin {
  let work: String
  /// Shown by every volume; beneath `--file-roots`.
  let underFileSystem: String
  let client: Client
  let process: Process
  private let paths: NodePaths
  private let mounter: MounterClient

  /// - Parameters:
  ///   - binaries: folder with `alluxio-csi`, `alluxio-mounter` and `alluxio-fuse`.
  ///   - work: an empty folder that this value may fill; `ufs`: the folder that volumes show.
  init(binaries: String, work: String, ufs: String) async throws {
    self.work = work
    underFileSystem = ufs
    paths = NodePaths(stateDirectory: "\(work)/state", kubeletDirectory: "\(work)/kubelet")
    for folder in [paths.stateDirectory, paths.kubeletDirectory] {
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }
    let endpoint = try Endpoint(path: "\(work)/csi/csi.sock")
    process = try Command.start(
      "\(binaries)/alluxio-csi",
      [
        "--endpoint", endpoint.description, "--nodeid", "bench", "--registry", "file:\(work)/registry",
        "--state-dir", paths.stateDirectory, "--kubelet-dir", paths.kubeletDirectory, "--file-roots", ufs,
        "--log-level", "warning",
      ], log: "\(work)/plugin.log")
    client = Client(endpoint)
    mounter = MounterClient(socket: paths.mounterSocket, program: "alluxio-bench")
    _ = try await client.call("/csi.v1.Identity/Probe", OutgoingMessage(), timeout: .seconds(20), waitForReady: true)
  }

  /// A target path as the kubelet makes them.
  func target(_ name: String) -> String {
    "\(paths.kubeletDirectory)/pods/\(name)/volumes/kubernetes.io~csi/bench/mount"
  }

  /// The pids of the mounter, of the parent that keeps its descriptors, and of its workers.
  func mounterProcesses() -> (mounter: Int32?, parent: Int32?, workers: [Int32]) {
    var parents: [Int32: Int32] = [:]
    var mounter: Int32?
    for entry in (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? [] {
      guard let pid = Int32(entry), let status = try? String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
      else { continue }
      if let line = status.split(separator: "\n").first(where: { $0.hasPrefix("PPid:") }) {
        parents[pid] = Int32(line.dropFirst(5).trimmingCharacters(in: .whitespaces)) ?? 0
      }
      let command = (try? String(contentsOfFile: "/proc/\(pid)/cmdline", encoding: .utf8)) ?? ""
      if command.contains("--parent-fd"), command.contains(paths.stateDirectory) { mounter = pid }
    }
    guard let mounter else { return (nil, nil, []) }
    return (mounter, parents[mounter], parents.filter { $0.value == mounter }.map(\.key).sorted())
  }

  func stop() async {
    client.close()
    process.terminate()
    process.waitUntilExit()
    // Last: a plugin that lives starts the next mounter.
    try? await mounter.shutdown(unmountingAll: true, by: .after(.seconds(20)))
  }
}

/// Memory of one process, in bytes.
struct ProcessMemory {
  var resident: Double
  var anonymous: Double

  init?(pid: Int32) {
    guard let status = try? String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8) else { return nil }
    func kilobytes(_ key: String) -> Double {
      status.split(separator: "\n").first { $0.hasPrefix(key) }
        .flatMap { $0.split(whereSeparator: \.isWhitespace).dropFirst().first }.flatMap { Double($0) } ?? 0
    }
    resident = kilobytes("VmRSS:") * 1024
    anonymous = kilobytes("RssAnon:") * 1024
  }
}
