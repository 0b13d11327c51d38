internal import CLinux
import Glibc
package import SystemPackage

/// How openat2(2) walks a path, RESOLVE_*.
package struct PathResolution: OptionSet, Sendable, Hashable {
  package let rawValue: UInt64
  package init(rawValue: UInt64) { self.rawValue = rawValue }
  /// No step may enter another mount.
  package static let noCrossingMounts = PathResolution(rawValue: 1)
  package static let noMagicLinks = PathResolution(rawValue: 2)
  package static let noSymlinks = PathResolution(rawValue: 4)
  /// No step may leave the directory that the walk starts from.
  package static let beneath = PathResolution(rawValue: 8)
}

/// Calls on names in this directory. Names are bytes that end in their first NUL, as `[UInt8]`; the calls never follow a
/// symlink in the last step. Errors are those of the system call.
extension Descriptor {
  /// openat(2); O_CLOEXEC is always added.
  package borrowing func open(name: [UInt8], _ flags: CInt, mode: UInt32 = 0) throws(Errno) -> Descriptor {
    let number = rawValue
    return Descriptor(
      adopting: try name.withName { name throws(Errno) in
        try Syscall.retrying { clinux_openat(number, name, flags | O_CLOEXEC, mode) }
      })
  }

  /// openat2(2) of a path of several names.
  package borrowing func open(
    path: [UInt8], _ flags: CInt, mode: UInt32 = 0, resolve: PathResolution
  ) throws(Errno) -> Descriptor {
    let number = rawValue
    var how = clinux_open_how(flags: UInt64(flags | O_CLOEXEC), mode: UInt64(mode), resolve: resolve.rawValue)
    return Descriptor(
      adopting: try path.withName { path throws(Errno) in
        // EAGAIN: a rename elsewhere disturbed the walk; the kernel asks to try again.
        while true {
          do throws(Errno) { return try Syscall.retrying { clinux_openat2(number, path, &how) } } catch {
            if error != .resourceTemporarilyUnavailable { throw error }
          }
        }
      })
  }

  /// An unnamed regular file in this directory, O_TMPFILE. - Throws: EOPNOTSUPP where the file system has none.
  package borrowing func openUnnamedFile(mode: UInt32) throws(Errno) -> Descriptor {
    let number = rawValue
    return Descriptor(
      adopting: try Syscall.retrying { clinux_openat(number, ".", clinux_O_TMPFILE | O_RDWR | O_CLOEXEC, mode) })
  }

  /// Opens what this O_PATH descriptor refers to, by its name in /proc.
  package borrowing func reopen(_ flags: CInt) throws(Errno) -> Descriptor {
    let number = rawValue
    return Descriptor(adopting: try Syscall.retrying { clinux_openfd(number, flags | O_CLOEXEC) })
  }

  /// Gives the open file (O_PATH and O_TMPFILE too) a name in `directory`. - Throws: EEXIST when the name is taken.
  package borrowing func link(into directory: borrowing Descriptor, name: [UInt8]) throws(Errno) {
    let file = rawValue
    let target = directory.rawValue
    try name.withName { name throws(Errno) in
      do throws(Errno) {
        try Syscall.retrying { linkat(file, "", target, name, clinux_AT_EMPTY_PATH) }
      } catch .noSuchFileOrDirectory {
        // What linkat says without CAP_DAC_READ_SEARCH, and for a file without names; /proc tells them apart.
        try Syscall.retrying { clinux_linkfd(file, target, name) }
      }
    }
  }

  /// linkat(2) from one name to another.
  package borrowing func link(
    name: [UInt8], into directory: borrowing Descriptor, name newName: [UInt8]
  ) throws(Errno) {
    let source = rawValue
    let target = directory.rawValue
    try name.withName { name throws(Errno) in
      try newName.withName { newName throws(Errno) in
        try Syscall.retrying { linkat(source, name, target, newName, 0) }
      }
    }
  }

  /// renameat2(2). - Parameter flags: RENAME_*; 0 works on every file system.
  package borrowing func rename(
    name: [UInt8], to directory: borrowing Descriptor, name newName: [UInt8], flags: UInt32
  ) throws(Errno) {
    let source = rawValue
    let target = directory.rawValue
    try name.withName { name throws(Errno) in
      try newName.withName { newName throws(Errno) in
        try Syscall.retrying { clinux_renameat2(source, name, target, newName, flags) }
      }
    }
  }

  /// unlinkat(2).
  package borrowing func remove(name: [UInt8], directory: Bool) throws(Errno) {
    let number = rawValue
    try name.withName { name throws(Errno) in
      try Syscall.retrying { unlinkat(number, name, directory ? AT_REMOVEDIR : 0) }
    }
  }

  /// mkdirat(2).
  package borrowing func makeDirectory(name: [UInt8], mode: UInt32) throws(Errno) {
    let number = rawValue
    try name.withName { name throws(Errno) in try Syscall.retrying { mkdirat(number, name, mode) } }
  }

  /// mknodat(2); `mode` carries the type.
  package borrowing func makeNode(name: [UInt8], mode: UInt32, device: UInt64) throws(Errno) {
    let number = rawValue
    try name.withName { name throws(Errno) in try Syscall.retrying { mknodat(number, name, mode, dev_t(device)) } }
  }

  /// symlinkat(2). - Parameter target: ends in a NUL.
  package borrowing func makeSymlink(name: [UInt8], target: [UInt8]) throws(Errno) {
    let number = rawValue
    try name.withName { name throws(Errno) in
      try target.withName { target throws(Errno) in try Syscall.retrying { symlinkat(target, number, name) } }
    }
  }

  /// readlinkat(2) of the symlink that this O_PATH descriptor refers to. - Throws: EINVAL when it is no symlink.
  package borrowing func readLink() throws(Errno) -> [UInt8] {
    let number = rawValue
    var bytes = [UInt8](repeating: 0, count: Int(PATH_MAX))
    let count = try Syscall.retrying {
      bytes.withUnsafeMutableBytes { clinux_readlinkfd(number, $0.baseAddress, $0.count) }
    }
    return Array(bytes.prefix(count))
  }
}

extension [UInt8] {
  /// The bytes as a C string for the time of a call.
  @discardableResult
  func withName<R>(_ body: (UnsafePointer<CChar>) throws(Errno) -> R) throws(Errno) -> R {
    precondition(last == 0, "a name ends in a NUL")
    let result = withUnsafeBufferPointer { buffer -> Result<R, Errno> in
      guard let base = buffer.baseAddress else { return .failure(.invalidArgument) }
      return base.withMemoryRebound(to: CChar.self, capacity: buffer.count) { pointer in
        do throws(Errno) { return .success(try body(pointer)) } catch { return .failure(error) }
      }
    }
    return try result.get()
  }
}
