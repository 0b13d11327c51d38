import GRPC
import Glibc
import LinuxSystem
import TestSupport
import Testing

@Suite("Sockets of servers", .timeLimit(.minutes(2)))
struct ListeningTests {
  private func start(_ path: String) throws -> Server {
    try Server(
      endpoint: Endpoint(path: path),
      handlers: ["/test/Echo": { request, _ in OutgoingMessage(request.withBytes { Array($0) }) }], logger: .quiet)
  }

  private func mode(_ path: String) -> UInt32? {
    var status = stat()
    return lstat(path, &status) == 0 ? status.st_mode & 0o7777 : nil
  }

  private func expectServing(_ server: Server) async throws {
    let client = Client(server.endpoint)
    #expect(try await client.call("/test/Echo", OutgoingMessage([8]), timeout: .seconds(30)).count == 1)
  }

  /// Binds a socket, as a server that knows nothing of our lock, and gives it back listening.
  private func bindForeign(_ path: String) throws -> SharedDescriptor {
    let number = try Syscall.once { socket(AF_UNIX, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0) }
    let descriptor = SharedDescriptor(Descriptor(adopting: number))
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    try Syscall.once {
      withUnsafeBytes(of: &address) {
        bind(number, $0.assumingMemoryBound(to: sockaddr.self).baseAddress!, socklen_t($0.count))
      }
    }
    try Syscall.once { listen(number, 1) }
    return descriptor
  }

  /// The umask of a process, which asking does not change.
  private func umask(of process: Int32) throws -> Substring? {
    let status = try Descriptor.open("/proc/\(process)/status", O_RDONLY).readToEnd()
    return String(decoding: status, as: UTF8.self).split(separator: "\n").first { $0.hasPrefix("Umask:") }
  }

  /// Waits until the umask is that with which the tests were started: servers of other tests may be about to bind.
  private func expectUmaskAsBefore() async throws {
    let before = try umask(of: getppid())
    while try umask(of: getpid()) != before { await Task.yield() }
  }

  @Test("the folder is made with 0700, the socket is its owner's alone, and the umask is as before")
  func modes() async throws {
    let folder = try TemporaryDirectory("grpc")
    let server = try start(folder.appending("plugin/csi.sock"))
    try await expectUmaskAsBefore()
    #expect(mode(folder.appending("plugin")) == 0o700)
    let socket = try #require(mode(folder.appending("plugin/csi.sock")))
    #expect(socket & 0o077 == 0)
    try await expectServing(server)
    await server.shutdown(grace: .zero)
    #expect(mode(folder.appending("plugin/csi.sock")) == nil)
  }

  @Test("of servers that start at once each socket is its owner's alone, and the umask is as before")
  func manyAtOnce() async throws {
    let folder = try TemporaryDirectory("grpc")
    let servers = try await withThrowingTaskGroup(of: Server.self) { group in
      for number in 0..<32 {
        group.addTask { try await OwnThread.run { try start(folder.appending("\(number)/csi.sock")) } }
      }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    for number in 0..<32 { #expect(mode(folder.appending("\(number)/csi.sock")).map { $0 & 0o077 } == 0, "\(number)") }
    try await expectUmaskAsBefore()
    for server in servers { await server.shutdown(grace: .zero) }
  }

  @Test(
    "a folder of the kubelet (0750) and a sticky one keep their modes",
    arguments: [0o750, 0o755, 0o1777] as [UInt32])
  func existingFolder(folderMode: UInt32) async throws {
    let folder = try TemporaryDirectory("grpc")
    let path = try folder.makeDirectory("plugin")
    #expect(chmod(path, folderMode) == 0)
    let server = try start("\(path)/csi.sock")
    try await expectServing(server)
    await server.shutdown(grace: .zero)
    #expect(mode(path) == folderMode)
  }

  @Test("a folder in which anyone could replace the socket is refused")
  func openFolder() throws {
    let folder = try TemporaryDirectory("grpc")
    let path = try folder.makeDirectory("plugin")
    #expect(chmod(path, 0o777) == 0)
    let error = try #require(throws: ListenError.self) { try start("\(path)/csi.sock") }
    #expect("\(error)".contains("writable for everybody"))
  }

  @Test("a folder of another user is refused", .requiresRoot)
  func foreignFolder() throws {
    let folder = try TemporaryDirectory("grpc")
    let path = try folder.makeDirectory("plugin")
    #expect(chown(path, 12345, 0) == 0)
    let error = try #require(throws: ListenError.self) { try start("\(path)/csi.sock") }
    #expect("\(error)".contains("belongs to user 12345"))
  }

  @Test("a file in place of the folder, and a folder without a parent, are refused by name")
  func noFolder() throws {
    let folder = try TemporaryDirectory("grpc")
    let file = try folder.write("", to: "plugin")
    #expect("\(try #require(throws: ListenError.self) { try start("\(file)/csi.sock") })".contains("is not a folder"))
    let error = try #require(throws: ListenError.self) { try start(folder.appending("absent/plugin/csi.sock")) }
    #expect("\(error)".contains(folder.appending("absent/plugin")))
  }

  @Test("a stale socket is replaced")
  func staleSocket() async throws {
    let folder = try TemporaryDirectory("grpc")
    let path = folder.appending("csi.sock")
    _ = try bindForeign(path)  // closed at once, its file stays
    #expect(mode(path) != nil)
    let server = try start(path)
    try await expectServing(server)
    await server.shutdown(grace: .zero)
  }

  @Test("a second server on the same socket is refused, with the first one's process id, and the first goes on")
  func secondServer() async throws {
    let folder = try TemporaryDirectory("grpc")
    let path = folder.appending("csi.sock")
    let server = try start(path)
    let error = try #require(throws: ListenError.self) { try start(path) }
    #expect(error == .inUse(try Endpoint(path: path), owner: getpid()))
    #expect("\(error)".contains("process \(getpid())"))
    try await expectServing(server)
    await server.shutdown(grace: .zero)
    let next = try start(path)
    try await expectServing(next)
    await next.shutdown(grace: .zero)
  }

  @Test("a server that knows nothing of the lock is not robbed of its socket")
  func foreignServer() throws {
    let folder = try TemporaryDirectory("grpc")
    let path = folder.appending("csi.sock")
    let foreign = try bindForeign(path)
    #expect(throws: ListenError.inUse(try Endpoint(path: path), owner: nil)) { try start(path) }
    #expect(mode(path) != nil)
    withExtendedLifetime(foreign) {}
  }

  @Test("a file in place of the socket is left alone")
  func notASocket() throws {
    let folder = try TemporaryDirectory("grpc")
    let path = try folder.write("precious", to: "csi.sock")
    #expect(throws: ListenError.notASocket(try Endpoint(path: path))) { try start(path) }
    #expect(try WholeFile.text(path) == "precious")
  }

  @Test(
    "a path that is no plain URI is served",
    arguments: ["a b.sock", "a%20b.sock", "a?b#c.sock", "ü.sock", "a:b.sock"])
  func oddPaths(name: String) async throws {
    let folder = try TemporaryDirectory("grpc")
    let server = try start(folder.appending(name))
    #expect(mode(folder.appending(name)) != nil)
    try await expectServing(server)
    await server.shutdown(grace: .zero)
    #expect(mode(folder.appending(name)) == nil)
  }
}
