internal import CLinux
import Glibc
package import SystemPackage

/// Whole files that are always either the old or the new content, also after a crash or a power cut: written to a new
/// name, synced, renamed, and the directory synced.
package enum AtomicFile {
  /// Moments of one write, in order: where crash tests kill the process.
  package enum Step: String, Sendable, CaseIterable {
    case created
    case written
    case synced
    case renamed
    case directorySynced
  }

  /// What may end a process in the middle of its work.
  package enum End: Sendable {
    /// kill -9 and crashes: the kernel still has what was written.
    case process
    /// The machine itself. After a write for less, the file may then be the old one, absent, or empty.
    case powerCut
  }

  /// Begins the names of files that a crash may leave behind.
  package static let temporaryPrefix = ".new-"

  /// Replaces or creates the file at `path`.
  /// - Parameters:
  ///   - mode: permission bits, umask applied.
  ///   - surviving: what the new content must outlive. Only a power cut needs the disk to be waited for.
  ///   - observer: called after each step.
  package static func write(
    _ bytes: [UInt8], to path: String, mode: UInt32 = 0o600, surviving end: End = .powerCut,
    observer: (Step) -> Void = { _ in }
  ) throws(Errno) {
    let (folder, name) = try split(path)
    let directory = try Descriptor.open(folder, O_RDONLY | O_DIRECTORY)
    let temporary = temporaryPrefix + String(UInt64.random(in: 0...UInt64.max), radix: 16)
    let number = directory.rawValue
    do throws(Errno) {
      let file = try directory.open(at: temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode: mode)
      observer(.created)
      try file.writeAll(bytes)
      observer(.written)
      if end == .powerCut { try file.synchronize() }
      observer(.synced)
      try file.close()
      try Syscall.retrying { renameat(number, temporary, number, name) }
    } catch {
      unlinkat(number, temporary, 0)
      throw error
    }
    observer(.renamed)
    if end == .powerCut { try directory.synchronize() }
    observer(.directorySynced)
  }

  /// Removes the file at `path` for good; false when there was none.
  @discardableResult
  package static func remove(_ path: String) throws(Errno) -> Bool {
    let (folder, name) = try split(path)
    let directory = try Descriptor.open(folder, O_RDONLY | O_DIRECTORY)
    let number = directory.rawValue
    do throws(Errno) {
      try Syscall.retrying { unlinkat(number, name, 0) }
    } catch .noSuchFileOrDirectory {
      return false
    }
    try directory.synchronize()
    return true
  }

  /// Removes what writes that were cut off by a crash have left in `folder`. Call while nobody writes there.
  package static func removeLeftovers(in folder: String) throws(Errno) {
    for name in try DirectoryNames.list(folder) where name.hasPrefix(temporaryPrefix) {
      try Syscall.retrying { unlink("\(folder)/\(name)") }
    }
  }

  private static func split(_ path: String) throws(Errno) -> (folder: String, name: String) {
    try Syscall.checkNoNul(path)
    guard let slash = path.lastIndex(of: "/") else { return (".", path) }
    let name = String(path[path.index(after: slash)...])
    guard !name.isEmpty else { throw Errno.isDirectory }
    let folder = String(path[..<slash])
    return (folder.isEmpty ? "/" : folder, name)
  }
}

extension Descriptor {
  /// fsync(2): content and metadata are on the disk when it returns.
  package borrowing func synchronize() throws(Errno) {
    let number = rawValue
    try Syscall.retrying { fsync(number) }
  }
}
