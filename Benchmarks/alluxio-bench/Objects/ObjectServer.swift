import Foundation

/// A server of objects on a free port of 127.0.0.1, which shows the folders of a directory as buckets.
final class ObjectServer {
  /// Of nobody: of 20 characters, which rclone demands.
  static let accessKey = "BENCHMARKBENCHMARK00"
  static let secretKey = "benchmark/benchmark/benchmark/benchmark0"

  let name: String
  let url: String
  private let process: Process

  private init(_ name: String, _ program: String, _ arguments: [String], port: UInt16, log: String) throws {
    self.name = name
    url = "http://127.0.0.1:\(port)"
    process = try Command.start(program, arguments, log: log)
    for _ in 0..<500 where !Self.answers(port) { usleep(20_000) }
    guard Self.answers(port) else { throw BenchmarkError("\(name) does not listen after 10 s: see \(log)") }
  }

  func stop() {
    process.terminate()
    for _ in 0..<200 where process.isRunning { usleep(10_000) }
    if process.isRunning { kill(process.processIdentifier, SIGKILL) }
    process.waitUntilExit()
  }

  /// `rclone serve s3`: signatures are verified, objects can be written.
  static func rclone(_ program: String, folder: String, work: String) throws -> ObjectServer {
    let port = try freePort()
    let arguments = [
      "serve", "s3", "--addr", "127.0.0.1:\(port)", "--auth-key", "\(accessKey),\(secretKey)", "--config",
      "/dev/null", "--log-level", "ERROR", folder,
    ]
    return try ObjectServer("rclone serve s3", program, arguments, port: port, log: "\(work)/rclone-serve.log")
  }

  /// nginx: the files as they are, and listings that were written beforehand. It looks at no signature, and does nothing
  /// but hand out bytes as fast as the machine can.
  static func nginx(_ program: String, folder: String, listings: StaticListings, work: String) throws -> ObjectServer {
    let port = try freePort()
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
      .map { "\($0)_temp_path \(work)/nginx-\($0);" }.joined(separator: " ")
    let text = """
      daemon off; master_process off; pid \(work)/nginx.pid; error_log stderr error; user root;
      events { worker_connections 1024; }
      http {
        \(temporary)
        access_log off; sendfile on; tcp_nopush on; keepalive_requests 10000000; default_type application/octet-stream;
        open_file_cache max=20000; open_file_cache_valid 3600s;
        map $args $listed { "~(?:^|&)prefix=([^&]*)" $1; default ""; }
        map $args $page { "~(?:^|&)continuation-token=([0-9]+)" $1; default 0; }
        server {
          listen 127.0.0.1:\(port);
          location ~ ^/(?<bucket>[a-z0-9-]+)/?$ {
            root \(listings.folder); default_type application/xml;
            try_files /$bucket/=$listed/$page /nothing =404;
          }
          location / { root \(folder); }
        }
      }
      """
    let file = "\(work)/nginx.conf"
    try text.write(toFile: file, atomically: true, encoding: .utf8)
    return try ObjectServer(
      "nginx", program, ["-e", "stderr", "-p", work, "-c", file], port: port, log: "\(work)/nginx.log")
  }

  // MARK: Ports

  /// Nobody listens on it at this moment.
  private static func freePort() throws -> UInt16 {
    let number = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(number) }
    var address = loopback(port: 0)
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(number, $0, length) == 0 && getsockname(number, $0, &length) == 0
      }
    }
    guard isBound else { throw BenchmarkError("no port of 127.0.0.1 is free") }
    return UInt16(bigEndian: address.sin_port)
  }

  private static func answers(_ port: UInt16) -> Bool {
    let number = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(number) }
    var address = loopback(port: port)
    return withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(number, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
      }
    }
  }

  private static func loopback(port: UInt16) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    return address
  }
}
