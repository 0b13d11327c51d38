import BenchmarkCalls
import Foundation

/// A volume of the plugin: its worker has a user, a cgroup, a filter of system calls and a mounter of its own.
struct ObjectVolumeReads {
  let scene: ObjectScene
  let plugin: Plugin
  private static let volume = "objects"

  func run(into report: inout Report) async throws {
    let calls = CSICalls(client: plugin.client)
    let target = plugin.target(Self.volume)
    try FileManager.default.createDirectory(
      atPath: (target as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    try await calls.publish(
      Self.volume, path: "s3://\(ObjectData.large)", at: target,
      attributes: [
        "alluxio.underfs.s3.endpoint": scene.real.url, "alluxio.underfs.s3.region": "us-east-1",
      ],
      secrets: ["s3a.accessKeyId": ObjectServer.accessKey, "s3a.secretKey": ObjectServer.secretKey])
    let result = Result { try read(target, &report) }
    try await calls.unpublish(Self.volume, at: target)
    try result.get()
  }

  private func read(_ target: String, _ report: inout Report) throws {
    let workers = plugin.mounterProcesses().workers.filter { pid in
      let line = (try? String(contentsOfFile: "/proc/\(pid)/cmdline", encoding: .utf8)) ?? ""
      return line.split(separator: "\0").dropFirst(2).first == Substring(Self.volume)
    }
    guard let worker = workers.first else { throw BenchmarkError("the volume has no worker") }
    let watch = try PeakWatch(pid: worker)
    let time = try FileAccess.sequential("\(target)/\(ObjectData.largeFile)", size: ObjectData.largeSize)
    let peak = try watch.stop()
    report.add(
      "objects", "volume of the plugin: cold sequential read", Double(ObjectData.largeSize) / 1_048_576 / time, "MiB/s")
    report.addLimit(
      "objects", "volume of the plugin: worker resident at full speed", peak.resident / 1e6, "MB", ceiling: 40)
    report.add("objects", "volume of the plugin: worker PSS, the same", peak.proportional / 1e6, "MB")
  }
}
