internal import CLinux
import Glibc
package import SystemPackage

/// Directories that an administrator has opened to volumes. A path is judged by where its handle really is, after
/// symbolic links, so that nothing can be swapped between the check and the use.
package enum DirectoryRoots {
  /// Why a directory is not served.
  package enum Failure: Error, Sendable, Hashable {
    case noRootsConfigured
    case absent
    case notADirectory
    case notPermitted
    /// It exists, but really lies at `canonical`, beneath none of the roots.
    case outsideRoots(canonical: String)
    case other(Errno)
  }

  /// A directory that was found beneath a root.
  package struct Opened: Sendable {
    /// Open for reading (O_RDONLY | O_DIRECTORY).
    package var directory: SharedDescriptor
    /// Its real path when it was opened.
    package var canonical: String
  }

  /// Opens `path`, following symbolic links, if it is one of `roots` or lies beneath one.
  /// - Parameter roots: absolute paths, themselves resolved here; those that do not exist allow nothing.
  package static func open(_ path: String, beneath roots: [String]) throws(Failure) -> Opened {
    guard !roots.isEmpty else { throw .noRootsConfigured }
    let (handle, canonical) = try resolve(path)
    if isUnlinked(handle.descriptor) { throw .absent }
    let text = String(decoding: canonical, as: UTF8.self)
    guard roots.contains(where: { Self.holds($0, canonical) }) else { throw .outsideRoots(canonical: text) }
    do throws(Errno) {
      // `.` of the handle itself: no name is looked up again.
      let directory = try handle.descriptor.open(at: ".", O_RDONLY | O_DIRECTORY)
      return Opened(directory: SharedDescriptor(directory), canonical: text)
    } catch {
      throw Failure(error)
    }
  }

  /// A handle that permits nothing but being asked where it is.
  private static func resolve(_ path: String) throws(Failure) -> (handle: SharedDescriptor, canonical: [UInt8]) {
    do throws(Errno) {
      let handle = SharedDescriptor(try Descriptor.open(path, clinux_O_PATH | O_DIRECTORY))
      return (handle, try SymbolicLink.read("/proc/self/fd/\(handle.rawValue)"))
    } catch {
      throw Failure(error)
    }
  }

  /// The kernel then adds ` (deleted)` to the path.
  private static func isUnlinked(_ handle: borrowing Descriptor) -> Bool {
    let number = handle.rawValue
    var status = stat()
    return fstat(number, &status) == 0 && status.st_nlink == 0
  }

  private static func holds(_ root: String, _ path: [UInt8]) -> Bool {
    guard let real = try? resolve(root).canonical else { return false }
    if real == [UInt8(ascii: "/")] { return true }
    return path.starts(with: real) && (path.count == real.count || path[real.count] == UInt8(ascii: "/"))
  }
}

extension DirectoryRoots.Failure {
  init(_ error: Errno) {
    switch error {
    case .noSuchFileOrDirectory: self = .absent
    case .notDirectory: self = .notADirectory
    case .permissionDenied, .notPermitted: self = .notPermitted
    default: self = .other(error)
    }
  }
}
