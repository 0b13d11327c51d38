/// Names of flat directories, against the requests that list them, made one after the other as they must be.
struct ObjectListings {
  let scene: ObjectScene

  func run(into report: inout Report) throws {
    for server in [scene.real, scene.raw].compactMap(\.self) {
      for count in ObjectData.listings { try compare(server, count, &report) }
    }
  }

  private func compare(_ server: ObjectServer, _ count: Int, _ report: inout Report) throws {
    let isReal = server === scene.real
    let bucket = ObjectData.listing(count)
    // Others ask for each of the names: that takes minutes.
    let clients = isReal && count == ObjectData.listings[0] ? scene.clients : [.ours]
    let names = clients.map(\.rawValue) + ["raw LIST"]
    let curl = Curl(server: server, work: scene.work)
    // rclone reads the whole directory for each page: a listing of 100,000 keys takes it more than a minute.
    let rounds = isReal && count > ObjectData.listings[0] ? 1 : scene.rounds
    let times = try interleaved(rounds: rounds, names) { name in
      guard let client = ObjectClient(rawValue: name) else {
        let requests = Curl.listing(bucket, count, isStatic: !isReal)
        let start = ContinuousClock.now
        try curl.run(requests)
        return FileAccess.seconds(since: start)
      }
      return try scene.withMount(client, bucket, of: server) { try FileAccess.list($0.path, expected: count) }
    }
    // As much as 1.2 times the time.
    scene.add(
      "listing of \(count) keys, \(server.name)", names, times, unit: "keys/s",
      floors: isReal ? ["raw LIST": 1 / 1.2] : [:], to: &report
    ) { Double(count) / $0 }
  }
}
