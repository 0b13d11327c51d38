import Foundation

/// Reads that nothing could have been fetched for before.
struct ObjectRandomReads {
  let scene: ObjectScene
  private static let reads = 512

  /// The first bytes of a file that nobody has opened, its name known and not known, against one GET on a kept connection.
  func first(into report: inout Report) throws {
    for server in [scene.real, scene.raw].compactMap(\.self) {
      var times: [String: [Double]] = [:]
      for round in 0..<scene.rounds {
        try scene.withMount(.ours, ObjectData.large, of: server) { mount in
          // The connection and the volume have been used; names are not known any more after a second.
          _ = try FileAccess.firstByte("\(mount.path)/\(ObjectData.firstFiles[0])")
          for name in ObjectData.firstFiles[1..<20] {
            times["unlisted", default: []].append(try FileAccess.firstByte("\(mount.path)/\(name)"))
          }
          _ = try FileAccess.list(mount.path, expected: ObjectData.firstFiles.count + 1)
          for name in ObjectData.firstFiles[20...] {
            times["listed", default: []].append(try FileAccess.firstByte("\(mount.path)/\(name)"))
          }
        }
        let requests = (ObjectData.firstFiles).map {
          Curl.Request(target: "\(ObjectData.large)/\($0)", range: 0..<(1 << 20))
        }
        let curl = Curl(server: server, work: scene.work)
        let printed = try curl.run(requests, format: "%{time_starttransfer} %{time_total}").dropFirst()
        for line in printed {
          let values = line.split(separator: " ").compactMap { Double($0) }
          times["start", default: []].append(values.first ?? 0)
          times["total", default: []].append(values.last ?? 0)
        }
        _ = round
      }
      add(server, times, &report)
    }
  }

  private func add(_ server: ObjectServer, _ times: [String: [Double]], _ report: inout Report) {
    let (start, total) = (median(times["start"] ?? []) * 1000, median(times["total"] ?? []) * 1000)
    report.add("objects", "curl: first byte of a GET, \(server.name)", start, "ms")
    report.add("objects", "curl: GET of the first MiB, \(server.name)", total, "ms")
    // What is asked for first is a MiB: that is the one GET. Nobody can be faster than its first byte.
    for (key, what) in [("listed", "after a listing"), ("unlisted", "name never seen")] {
      let time = median(times[key] ?? []) * 1000
      let ratio = time / max(total, 1e-9)
      let isTarget = key == "listed" && server === scene.real
      report.add(
        "objects", "first bytes of a cold file, \(what), \(server.name)", time, "ms", ratio: ratio,
        reference: "one GET", target: isTarget ? "≤ 1.50×" : nil, holds: isTarget ? ratio <= 1.5 : nil)
      report.add(
        "objects", "the same", time, "ms", ratio: time / max(start, 1e-9), reference: "its first byte")
    }
  }

  /// 4 KiB at places that are all different.
  func run(into report: inout Report) throws {
    let names = scene.clients.map(\.rawValue) + ["curl"]
    let times = try interleaved(rounds: scene.rounds, names) { name in
      guard let client = ObjectClient(rawValue: name) else { return try curl() }
      return try scene.withMount(client, ObjectData.large, of: scene.real) { mount in
        try FileAccess.random(
          "\(mount.path)/\(ObjectData.largeFile)", size: ObjectData.largeSize, reads: Self.reads)
      }
    }
    scene.add("cold random read 4k", names, times, unit: "IOPS", to: &report) { Double(Self.reads) / $0 }
  }

  private func curl() throws -> Double {
    let stride = ObjectData.largeSize / Self.reads
    let requests = (0..<Self.reads).map { $0 * stride }.shuffled().map {
      Curl.Request(target: "\(ObjectData.large)/\(ObjectData.largeFile)", range: $0..<($0 + 4096))
    }
    let start = ContinuousClock.now
    try scene.curl.run(requests)
    return FileAccess.seconds(since: start)
  }
}
