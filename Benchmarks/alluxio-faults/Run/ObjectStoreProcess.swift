import Foundation
import LinuxSystem
import ObjectStoreServers

/// moto's S3 with one bucket, whose objects are the files of a folder at first. It ends with this object.
final class ObjectStoreProcess: Sendable {
  let process: PidFD
  let port: UInt16
  static let bucket = "faults"

  /// Starts it and waits until it listens.
  init(folder: String, log: String) throws {
    port = try freePort()
    let output = try Descriptor.open(log, O_WRONLY | O_CREAT | O_APPEND, mode: 0o600)
    let program = try PythonEnvironment.path.get() + "/bin/python"
    var spawn = Spawn(
      executable: program,
      // By this name Python finds its packages.
      arguments: [
        program, "-B", PythonEnvironment.script("moto_server.py"), "--port", "\(port)", "--bucket", Self.bucket,
        "--folder", folder,
      ],
      environment: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"])
    spawn.descriptors = [1: output.rawValue, 2: output.rawValue]
    process = try withExtendedLifetime(output) { try spawn.start() }
    let limit = Deadline.after(.seconds(30))
    while !Self.listens(port) {
      guard !limit.hasPassed, try !process.hasEnded() else {
        throw FaultError("the object store does not listen: \((try? WholeFile.text(log)) ?? "without a word")")
      }
      usleep(10_000)
    }
  }

  deinit {
    try? process.signal(SIGKILL)
    _ = try? process.wait()
  }

  /// The volume's path and attributes.
  var path: String { "s3://\(Self.bucket)" }
  var attributes: [String: String] {
    ["alluxio.underfs.s3.endpoint": "http://127.0.0.1:\(port)", "alluxio.underfs.s3.region": "us-east-1"]
  }
  /// Of the mounter: the node's own credentials, so that a mount can be made again without the kubelet.
  let environment = ["AWS_ACCESS_KEY_ID=faults", "AWS_SECRET_ACCESS_KEY=faults"]

  private static func listens(_ port: UInt16) -> Bool {
    let socket = Glibc.socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
    guard socket >= 0 else { return false }
    defer { close(socket) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    return withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
      }
    }
  }
}
