import Foundation

/// A large file written and closed, against the same bytes sent by curl from a file.
struct ObjectUploads {
  let scene: ObjectScene

  func run(into report: inout Report) throws {
    let chunk = ObjectData.random(1 << 20)
    let names = scene.clients.map(\.rawValue) + ["curl"]
    let source = "\(scene.data)/\(ObjectData.large)/\(ObjectData.largeFile)"
    var number = 0
    let times = try interleaved(rounds: scene.rounds, names) { name in
      number += 1
      let key = "upload-\(number)"
      // By the server, which would remember the name otherwise.
      defer { _ = try? scene.curl.run([Curl.Request(target: "\(ObjectData.uploads)/\(key)", method: "DELETE")]) }
      guard let client = ObjectClient(rawValue: name) else {
        let start = ContinuousClock.now
        try scene.curl.run([Curl.Request(target: "\(ObjectData.uploads)/\(key)", upload: source)])
        return FileAccess.seconds(since: start)
      }
      let folder = try scene.folder()
      defer { try? FileManager.default.removeItem(atPath: folder) }
      let mount = try ObjectMount.start(
        client, ObjectData.uploads, of: scene.real, scene.programs, in: folder, isWritten: true)
      let start = ContinuousClock.now
      let result = Result { try FileAccess.write("\(mount.path)/\(key)", size: ObjectData.largeSize, chunk: chunk) }
      // rclone uploads after close: it is done when the object is there.
      let stored = "\(scene.data)/\(ObjectData.uploads)/\(key)"
      for _ in 0..<60_000 where Self.size(stored) != ObjectData.largeSize { usleep(1000) }
      let time = FileAccess.seconds(since: start)
      mount.stop()
      _ = try result.get()
      guard Self.size(stored) == ObjectData.largeSize else { throw BenchmarkError("\(name) has not written \(key)") }
      return time
    }
    scene.add("upload of 1 GiB", names, times, unit: "MiB/s", to: &report) {
      Double(ObjectData.largeSize) / 1_048_576 / $0
    }
  }

  private static func size(_ path: String) -> Int {
    var status = stat()
    return stat(path, &status) == 0 ? Int(status.st_size) : -1
  }
}
