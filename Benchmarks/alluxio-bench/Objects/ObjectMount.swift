import Foundation

/// Who shows a bucket as files.
enum ObjectClient: String, CaseIterable {
  case ours = "alluxio-fuse"
  case s3fs
  case rclone = "rclone mount"
}

/// A file system of one process, mounted until it is stopped: its kernel cache begins empty.
final class ObjectMount {
  let path: String
  let process: Process

  /// Programs that are measured.
  struct Programs {
    var binaries: String
    /// nil: not installed.
    var s3fs: String?
    var rclone: String?
  }

  /// A mount of a bucket.
  /// - Parameters:
  ///   - folder: empty; mount point, caches and logs are made in it.
  ///   - isWritten: with what a peer needs for that.
  static func start(
    _ client: ObjectClient, _ bucket: String, of server: ObjectServer, _ programs: Programs, in folder: String,
    pages: String? = nil, isWritten: Bool = false, isPassed: Bool = false
  ) throws -> ObjectMount {
    let path = "\(folder)/mount"
    for name in [path, "\(folder)/cache", pages ?? "\(folder)/pages"] { try ObjectData.makeFolder(name) }
    switch client {
    case .ours:
      let options =
        "endpoint=\(server.url),region=us-east-1,cache=\(pages ?? "\(folder)/pages")"
        + (isPassed ? ",cache-passthrough" : "")
      return try ObjectMount(
        "\(programs.binaries)/alluxio-fuse",
        ["mount", "s3://\(bucket)", path, "-o", options],
        ["AWS_ACCESS_KEY_ID": ObjectServer.accessKey, "AWS_SECRET_ACCESS_KEY": ObjectServer.secretKey], at: path)
    case .s3fs:
      let secrets = "\(folder)/secrets"
      try "\(ObjectServer.accessKey):\(ObjectServer.secretKey)\n".write(
        toFile: secrets, atomically: true, encoding: .utf8)
      chmod(secrets, 0o600)
      return try ObjectMount(
        programs.s3fs ?? "",
        [
          bucket, path, "-f", "-o", "url=\(server.url),passwd_file=\(secrets),use_path_request_style",
          "-o", "tmpdir=\(folder)/cache",
        ], [:], at: path)
    case .rclone:
      return try ObjectMount(
        programs.rclone ?? "",
        [
          "mount", ":s3:\(bucket)", path, "--config", "/dev/null", "--s3-provider", "Other", "--s3-endpoint",
          server.url,
          "--cache-dir", "\(folder)/cache", "--vfs-cache-mode", isWritten ? "writes" : "off",
        ],
        [
          "RCLONE_S3_ACCESS_KEY_ID": ObjectServer.accessKey, "RCLONE_S3_SECRET_ACCESS_KEY": ObjectServer.secretKey,
        ], at: path)
    }
  }

  /// A directory through the same driver, served by its process, or by the kernel.
  static func directory(
    _ source: String, _ programs: Programs, in folder: String, isPassed: Bool = false
  ) throws -> ObjectMount {
    let path = "\(folder)/mount"
    try ObjectData.makeFolder(path)
    return try ObjectMount(
      "\(programs.binaries)/alluxio-fuse", ["mount", "file://\(source)", path, "-o", "passthrough=\(isPassed)"], [:],
      at: path
    )
  }

  private init(_ program: String, _ arguments: [String], _ environment: [String: String], at path: String) throws {
    self.path = path
    let log = "\(path).log"
    process = try Command.start(program, arguments, log: log, environment: environment)
    let device = Self.device(of: (path as NSString).deletingLastPathComponent)
    for _ in 0..<2000 where Self.device(of: path) == device && process.isRunning { usleep(5000) }
    guard process.isRunning, Self.device(of: path) != device else {
      process.terminate()
      let words = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
      throw BenchmarkError("\(program) did not mount: \(words.suffix(500))")
    }
  }

  private static func device(of path: String) -> UInt64? {
    var status = stat()
    return stat(path, &status) == 0 ? UInt64(status.st_dev) : nil
  }

  /// Nobody may use it any more.
  func stop() {
    if umount2(path, 0) != 0 { umount2(path, Int32(MNT_DETACH)) }
    for _ in 0..<1000 where process.isRunning { usleep(10_000) }
    if process.isRunning { process.terminate() }
    process.waitUntilExit()
  }
}
