import Glibc
import LinuxSystem
package import SystemPackage

/// A fresh folder for one test, removed with all it holds when its owner is gone. Mounts left below it are detached and
/// immutable flags are cleared first, so that nothing survives a failed test.
package final class TemporaryDirectory: Sendable {
  /// Absolute, without symbolic links or trailing slash; short, as socket paths are limited to 107 bytes.
  package let path: String

  /// Below `$TMPDIR`, or `/tmp`.
  package init(_ name: String = "test", beneath parent: String? = nil) throws(Errno) {
    let folder = parent ?? Environment["TMPDIR"] ?? "/tmp"
    let real = try Descriptor.open(folder, O_RDONLY | O_DIRECTORY).path()
    var template = Array("\(real)/\(name).XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw Errno(rawValue: errno) }
    path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  deinit { remove() }

  /// `path/name`.
  package func appending(_ name: String) -> String { "\(path)/\(name)" }

  /// Makes a directory in it and returns its path. The mode is what it says, whatever umask another test left its thread.
  @discardableResult
  package func makeDirectory(_ name: String, mode: UInt32 = 0o755) throws(Errno) -> String {
    let path = appending(name)
    try Syscall.once { mkdir(path, mode) }
    try Syscall.once { chmod(path, mode) }
    return path
  }

  /// Writes a file in it and returns its path. The mode is that of a new file, whatever the thread's umask.
  @discardableResult
  package func write(_ text: String, to name: String, mode: UInt32 = 0o644) throws(Errno) -> String {
    let path = appending(name)
    let isNew = access(path, F_OK) != 0
    try Descriptor.open(path, O_WRONLY | O_CREAT | O_TRUNC, mode: mode).writeAll(Array(text.utf8))
    if isNew { try Syscall.once { chmod(path, mode) } }
    return path
  }

  /// Removes it now; harmless when done before. Called by `deinit`.
  package func remove() {
    for mount in ((try? MountTable.read())?.beneath(path) ?? []).reversed() {
      try? Mount.unmount(mount.mountPoint, flags: [.detach, .noFollow])
    }
    Self.removeTree(path)
  }

  /// Removes everything below `path` and itself, symbolic links not followed.
  package static func removeTree(_ path: String) {
    if let directory = try? Descriptor.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW) {
      _ = try? InodeFlags.setImmutable(false, on: directory)
      for name in (try? DirectoryNames.list(path)) ?? [] {
        let entry = "\(path)/\(name)"
        if unlink(entry) == 0 { continue }
        if errno == EPERM, let file = try? Descriptor.open(entry, O_RDONLY | O_NOFOLLOW | O_NONBLOCK) {
          _ = try? InodeFlags.setImmutable(false, on: file)
          if unlink(entry) == 0 { continue }
        }
        removeTree(entry)
      }
    }
    rmdir(path)
  }
}

/// Variables of the test run's environment.
package enum Environment {
  /// The value of a variable, or nil.
  package static subscript(_ name: String) -> String? {
    getenv(name).map { String(cString: $0) }
  }
}
