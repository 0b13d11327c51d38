import TestSupport

/// The servers that tests talk to.
extension ServerProcess {
  private static let listening = #"^listening on (\d+)"#

  /// echo_server.py: answers what it is asked to. With a certificate it speaks TLS.
  package static func echo(_ certificate: ServerCertificate? = nil) throws -> ServerProcess {
    let files = certificate.map { [$0.certificatePath, $0.keyPath] } ?? []
    return try ServerProcess(["python", PythonEnvironment.script("echo_server.py")] + files, ready: listening)
  }

  private static let shared = Result { try ServerProcess.echo() }

  /// One echo server for all tests of the process that do not count its connections; it ends with the process.
  package static func sharedEcho() throws -> ServerProcess { try shared.get() }

  /// moto: S3 with conditions and multipart uploads, and STS. It verifies no signature. Nothing is in it.
  package static func moto() throws -> ServerProcess {
    try ServerProcess(["python", PythonEnvironment.script("moto_server.py")], ready: listening)
  }

  /// moto with a bucket that holds objects of one byte.
  /// - Parameter keys: as Python formats a number, `data/%06d`.
  package static func moto(bucket: String, holding count: Int, keys: String) throws -> ServerProcess {
    try ServerProcess(
      [
        "python", PythonEnvironment.script("moto_server.py"), "--bucket", bucket, "--count", "\(count)", "--keys", keys,
      ], ready: listening)
  }

  /// `rclone serve s3` of a folder, whose directories are the buckets. It verifies signatures, and ignores If-Match.
  /// - Parameters:
  ///   - accessKey: 20 characters or more.
  ///   - secretKey: 20 characters or more.
  ///   - removesFolder: with the end of the server, whose owner may end without a word.
  package static func rclone(
    folder: String, accessKey: String, secretKey: String, removesFolder: Bool = false
  ) throws -> ServerProcess {
    try ServerProcess(
      [
        "rclone", "serve", "s3", "--addr", "127.0.0.1:0", "--auth-key", "\(accessKey),\(secretKey)",
        "--config", "/dev/null", "-v", folder,
      ], ready: #"http://127\.0\.0\.1:(\d+)"#, environment: removesFolder ? ["REMOVE_AT_END=\(folder)"] : [])
  }

  /// The fault proxy before a server: see fault_proxy.py.
  package static func faultProxy(before server: ServerProcess) throws -> ServerProcess {
    try ServerProcess(["python", PythonEnvironment.script("fault_proxy.py"), server.url], ready: listening)
  }
}

/// Servers of others, which need a file that says how.
package final class ConfiguredServer: Sendable {
  package let process: ServerProcess
  private let folder: TemporaryDirectory

  private init(_ folder: TemporaryDirectory, _ process: ServerProcess) {
    self.folder = folder
    self.process = process
  }

  /// nginx over TLS with HTTP/2: `/small` is 5 bytes, `/large` 8 MiB of zeros.
  package static func nginx(_ certificate: ServerCertificate) throws -> ConfiguredServer {
    let folder = try TemporaryDirectory("nginx")
    let port = try freePort()
    try folder.makeDirectory("html")
    try folder.write("small", to: "html/small")
    try folder.write(String(repeating: "\0", count: 8 << 20), to: "html/large")
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map { "\($0)_temp_path \(folder.path)/\($0);" }
    let text = """
      daemon off; master_process off; pid \(folder.path)/pid; error_log stderr notice; user root;
      events { worker_connections 512; }
      http {
        \(temporary.joined(separator: " "))
        access_log off; root \(folder.path)/html; keepalive_requests 100000;
        server {
          listen 127.0.0.1:\(port) ssl http2;
          ssl_certificate \(certificate.certificatePath); ssl_certificate_key \(certificate.keyPath);
          location = /connection { return 200 "$connection $server_protocol"; }
        }
      }
      """
    let file = try folder.write(text, to: "nginx.conf")
    let process = try ServerProcess(
      [Machine.program("nginx") ?? "/usr/sbin/nginx", "-e", "stderr", "-p", folder.path, "-c", file], ready: "nginx/",
      port: port)
    return ConfiguredServer(folder, process)
  }

  /// tinyproxy: a forward proxy, with tunnels for TLS to any port.
  /// - Parameter credentials: `user password`, without which it refuses.
  package static func tinyproxy(credentials: String? = nil) throws -> ConfiguredServer {
    let folder = try TemporaryDirectory("tinyproxy")
    let port = try freePort()
    let text = """
      Port \(port)
      Listen 127.0.0.1
      Timeout 600
      MaxClients 100
      LogLevel Info
      \(credentials.map { "BasicAuth \($0)" } ?? "")

      """
    let file = try folder.write(text, to: "tinyproxy.conf")
    let process = try ServerProcess(
      [Machine.program("tinyproxy") ?? "/usr/bin/tinyproxy", "-d", "-c", file],
      ready: "Accepting connections|Starting main loop",
      port: port)
    return ConfiguredServer(folder, process)
  }
}

/// A certificate for `localhost` and 127.0.0.1 by an authority of its own, made by openssl for one test.
package final class ServerCertificate: Sendable {
  private let folder: TemporaryDirectory
  /// PEM files.
  package var certificatePath: String { folder.appending("server.pem") }
  package var keyPath: String { folder.appending("server.key") }
  package var authorityPath: String { folder.appending("authority.pem") }

  package init() throws {
    folder = try TemporaryDirectory("certificate")
    try folder.write("subjectAltName=DNS:localhost,IP:127.0.0.1\n", to: "extensions")
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    try openssl(
      ["req", "-x509", "-days", "2", "-subj", "/CN=authority of a test"] + key
        + ["-keyout", folder.appending("authority.key"), "-out", authorityPath])
    try openssl(
      ["req", "-subj", "/CN=localhost"] + key + ["-keyout", keyPath, "-out", folder.appending("server.csr")])
    try openssl([
      "x509", "-req", "-days", "2", "-in", folder.appending("server.csr"), "-CA", authorityPath, "-CAkey",
      folder.appending("authority.key"), "-set_serial", "1", "-extfile", folder.appending("extensions"), "-out",
      certificatePath,
    ])
  }

  private func openssl(_ arguments: [String]) throws {
    let run = try Program.run("openssl", arguments)
    guard run.succeeded else { throw ServerProcess.Failure(description: run.text) }
  }
}
