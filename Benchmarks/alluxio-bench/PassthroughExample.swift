import Foundation

/// libfuse's own example file system, the yardstick: compiled from the source that `libfuse3-dev` installs.
struct PassthroughExample {
  private let process: Process
  let mountPoint: String

  private static let source = "/usr/share/doc/libfuse3-dev/examples/passthrough_ll.c"

  /// - Parameter folder: what it shows; `work` is a scratch folder for the binary, the log and the mount point.
  init(showing folder: String, work: String) throws {
    guard FileManager.default.fileExists(atPath: Self.source) else {
      throw BenchmarkError(
        "\(Self.source) is missing: install libfuse3-dev with its examples (not excluded by dpkg's path-exclude)")
    }
    let binary = "\(work)/passthrough_ll"
    let flags = String(decoding: try Command.output("pkg-config", ["fuse3", "--cflags", "--libs"]), as: UTF8.self)
      .split(whereSeparator: \.isWhitespace).map(String.init)
    _ = try Command.output("cc", ["-O2", Self.source, "-o", binary] + flags)
    mountPoint = "\(work)/passthrough"
    try FileManager.default.createDirectory(atPath: mountPoint, withIntermediateDirectories: true)
    let before = try Self.device(of: mountPoint)
    process = try Command.start(
      binary, ["-f", "-o", "source=\(folder),allow_other,default_permissions", mountPoint],
      log: "\(work)/passthrough.log")
    // There is no event to wait for in a foreign program: look until the mount is there, for a bounded time.
    for _ in 0..<500 where try Self.device(of: mountPoint) == before { usleep(10_000) }
    guard try Self.device(of: mountPoint) != before else { throw BenchmarkError("passthrough_ll did not mount in 5 s") }
  }

  private static func device(of path: String) throws -> UInt64 {
    var buffer = stat()
    guard stat(path, &buffer) == 0 else { throw BenchmarkError("cannot stat \(path)") }
    return UInt64(buffer.st_dev)
  }

  func stop() {
    umount2(mountPoint, Int32(MNT_DETACH))
    process.waitUntilExit()
  }
}
