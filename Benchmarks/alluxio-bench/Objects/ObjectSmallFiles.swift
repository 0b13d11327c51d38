/// Ten thousand files of 10 kB in a hundred folders, cold: every folder listed, every file read.
struct ObjectSmallFiles {
  let scene: ObjectScene

  func run(into report: inout Report) throws {
    let count = Double(ObjectData.smallFolders * ObjectData.smallFilesEach)
    for threads in [1, 8] {
      let names = scene.clients.map(\.rawValue) + ["curl"]
      let times = try interleaved(rounds: scene.rounds, names) { name in
        guard let client = ObjectClient(rawValue: name) else { return try curl(threads) }
        return try scene.withMount(client, ObjectData.small, of: scene.real, keepsCache: true) { mount in
          try FileAccess.walk(mount.path, threads: threads)
        }
      }
      scene.add(
        "10k small files cold, \(threads == 1 ? "1 reader" : "\(threads) readers")", names, times, unit: "files/s",
        floors: ["s3fs": 3], to: &report
      ) { count / $0 }
    }
  }

  /// The same objects, whose names it is told.
  private func curl(_ parallel: Int) throws -> Double {
    let requests = (0..<ObjectData.smallFolders).flatMap { folder in
      (0..<ObjectData.smallFilesEach).map { file in
        Curl.Request(
          target: "\(ObjectData.small)/\(ObjectData.smallFolder(folder))/\(ObjectData.smallFile(file))")
      }
    }
    let start = ContinuousClock.now
    try scene.curl.run(requests, parallel: parallel)
    return FileAccess.seconds(since: start)
  }
}
