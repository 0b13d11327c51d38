import Foundation

/// One large file from front to back, cold, and the memory of who serves it meanwhile.
struct ObjectSequentialReads {
  let scene: ObjectScene
  private static let parallel = 8

  func run(into report: inout Report) throws {
    try compare(scene.real, scene.clients, floors: ["curl": 0.9, "s3fs": 1, "rclone mount": 1], &report)
    if let raw = scene.raw { try compare(raw, scene.clients, floors: [:], &report) }
  }

  private func compare(
    _ server: ObjectServer, _ clients: [ObjectClient], floors: [String: Double], _ report: inout Report
  ) throws {
    var memory: [String: [MemoryPeak]] = [:]
    let names = clients.map(\.rawValue) + ["curl"]
    let curl = Curl(server: server, work: scene.work)
    let times = try interleaved(rounds: scene.rounds, names) { name in
      guard let client = ObjectClient(rawValue: name) else {
        let start = ContinuousClock.now
        try curl.read(
          ObjectData.large, ObjectData.largeFile, size: ObjectData.largeSize, part: 8 << 20, parallel: Self.parallel)
        return FileAccess.seconds(since: start)
      }
      return try scene.withMount(client, ObjectData.large, of: server) { mount in
        let watch = try PeakWatch(pid: mount.process.processIdentifier)
        let time = try FileAccess.sequential("\(mount.path)/\(ObjectData.largeFile)", size: ObjectData.largeSize)
        memory[name, default: []].append(try watch.stop())
        return time
      }
    }
    let megabytes = { Double(ObjectData.largeSize) / 1_048_576 / $0 }
    scene.add(
      "cold sequential read, \(server.name)", names, times, unit: "MiB/s", floors: floors, to: &report, value: megabytes
    )
    for client in clients.dropFirst() {
      let name = client.rawValue
      report.add("objects", "\(name): cold sequential, \(server.name)", megabytes(median(times[name] ?? [])), "MiB/s")
    }
    report.add("objects", "curl: the same, \(Self.parallel) parallel", megabytes(median(times["curl"] ?? [])), "MiB/s")
    for client in clients {
      let peaks = memory[client.rawValue] ?? []
      report.addLimit(
        "objects", "\(client.rawValue) resident at full speed, \(server.name)",
        median(peaks.map(\.resident)) / 1e6, "MB", ceiling: client == .ours ? 40 : nil)
      report.add("objects", "\(client.rawValue) PSS, the same", median(peaks.map(\.proportional)) / 1e6, "MB")
    }
  }
}
