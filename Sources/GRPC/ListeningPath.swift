import Glibc
import LinuxSystem
import Synchronization
package import SystemPackage

/// Why a server cannot listen at its endpoint. Every case says what to do.
package enum ListenError: Error, Equatable, Sendable, CustomStringConvertible {
  /// Another server has the lock, or answers on the socket. The process id is nil when it is not known.
  case inUse(Endpoint, owner: Int32?)
  /// The socket's folder cannot be used.
  case folder(Endpoint, String)
  /// Something that is not a socket is at the path; it is left alone.
  case notASocket(Endpoint)
  /// A system call failed.
  case system(Endpoint, operation: String, Errno)
  /// gRPC core could not listen; its own log has the reason.
  case refused(Endpoint)

  package var description: String {
    switch self {
    case .inUse(let endpoint, let owner):
      "another server already serves \(endpoint)\(owner.map { " (process \($0))" } ?? ""); stop it or choose another endpoint"
    case .folder(let endpoint, let reason): "cannot listen on \(endpoint): its folder \(endpoint.folder) \(reason)"
    case .notASocket(let endpoint): "cannot listen on \(endpoint): something else than a socket is there; remove it"
    case .system(let endpoint, let operation, let errno): "cannot listen on \(endpoint): \(operation): \(errno)"
    case .refused(let endpoint): "cannot listen on \(endpoint): gRPC refused the address; its log line says why"
    }
  }
}

/// The claim of one server to the path of its socket: a folder that others cannot write, a lock, and no stale socket.
///
/// The folder is made with mode 0700 when it does not exist (its parent must). One that exists keeps its mode, since the
/// kubelet makes plugin folders with 0750 and others may watch them; it is refused when anyone could replace the socket
/// in it: writable for all without the sticky bit, or owned by neither root nor this process's user. A volume is an
/// exception: Kubernetes makes an emptyDir writable for all, who are the containers that have it mounted. The socket
/// itself is for its owner alone.
package final class ListeningPath: Sendable {
  let endpoint: Endpoint
  private let lock: Mutex<FileLock?>

  /// Claims the path, until `release` or the end of this object.
  package init(_ endpoint: Endpoint) throws(ListenError) {
    self.endpoint = endpoint
    try Self.prepareFolder(endpoint)
    do {
      lock = Mutex(try FileLock(path: endpoint.lockPath))
    } catch .wouldBlock {
      throw ListenError.inUse(endpoint, owner: FileLock.owner(ofLockAt: endpoint.lockPath))
    } catch {
      throw ListenError.system(endpoint, operation: "lock \(endpoint.lockPath)", error)
    }
    try Self.removeStaleSocket(endpoint)
  }

  /// Runs `body`, which binds the socket, so that the socket's mode lets nobody else in. The umask is the process's:
  /// files that other threads make meanwhile get fewer rights too, never more.
  func bind<Result>(_ body: () -> Result) -> Result {
    Self.umaskTurn.locked {
      let previous = umask(0o077)
      defer { umask(previous) }
      return body()
    }
  }

  /// Two that bind at once would each put back what the other has set.
  private static let umaskTurn = Monitor()

  /// Removes the socket, which core may have done already, and lets the next server have the path.
  func release() {
    lock.withLock { lock in
      guard lock != nil else { return }
      _ = unlink(endpoint.path)
      lock = nil
    }
  }

  private static func prepareFolder(_ endpoint: Endpoint) throws(ListenError) {
    let folder = endpoint.folder
    if mkdir(folder, 0o700) == 0 { return }
    guard errno == EEXIST else {
      throw .system(endpoint, operation: "make folder \(folder)", Errno(rawValue: errno))
    }
    var status = stat()
    guard stat(folder, &status) == 0 else {
      throw .system(endpoint, operation: "look at folder \(folder)", Errno(rawValue: errno))
    }
    guard status.st_mode & S_IFMT == S_IFDIR else { throw .folder(endpoint, "is not a folder") }
    if status.st_mode & S_IWOTH != 0, status.st_mode & S_ISVTX == 0, !isMountPoint(folder, status) {
      throw .folder(endpoint, "is writable for everybody, who could replace the socket; chmod o-w it")
    }
    guard status.st_uid == 0 || status.st_uid == geteuid() else {
      throw .folder(endpoint, "belongs to user \(status.st_uid), who could replace the socket; chown it")
    }
  }

  /// Whether another file system begins at the folder.
  private static func isMountPoint(_ folder: String, _ status: stat) -> Bool {
    var parent = stat()
    return stat("\(folder)/..", &parent) == 0 && parent.st_dev != status.st_dev
  }

  /// A socket that nobody listens on is left from a server that was killed. One that answers belongs to a server that
  /// knows nothing of our lock.
  private static func removeStaleSocket(_ endpoint: Endpoint) throws(ListenError) {
    var status = stat()
    guard lstat(endpoint.path, &status) == 0 else {
      if errno == ENOENT { return }
      throw .system(endpoint, operation: "look at the socket", Errno(rawValue: errno))
    }
    guard status.st_mode & S_IFMT == S_IFSOCK else { throw .notASocket(endpoint) }
    if answers(endpoint.path) { throw .inUse(endpoint, owner: nil) }
    guard unlink(endpoint.path) == 0 || errno == ENOENT else {
      throw .system(endpoint, operation: "remove the stale socket", Errno(rawValue: errno))
    }
  }

  /// Whether somebody listens on the socket. A full backlog (EAGAIN) is somebody.
  private static func answers(_ path: String) -> Bool {
    let number = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
    guard number >= 0 else { return true }
    let descriptor = Descriptor(adopting: number)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    let result = withUnsafeBytes(of: &address) {
      connect(
        descriptor.rawValue, $0.baseAddress!.assumingMemoryBound(to: sockaddr.self),
        socklen_t(MemoryLayout<sockaddr_un>.size))
    }
    return result == 0 || errno != ECONNREFUSED
  }
}
