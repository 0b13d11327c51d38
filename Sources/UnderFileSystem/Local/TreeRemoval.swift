import Glibc
import LinuxSystem
import SystemPackage

/// Removes a directory with everything in it, however deep, with two descriptors and no recursion: a directory that is
/// found
/// in a subdirectory and is not empty moves up to the top, and is emptied there later. Symlinks are removed and never
/// followed; whatever is mounted inside stops the removal. It can be interrupted at any point and started again.
enum TreeRemoval {
  /// Absent: nothing to do.
  static func remove(_ name: FileName, in base: borrowing Descriptor) throws(VolumeDirectoryError) {
    do throws(Errno) {
      let top: Descriptor
      do throws(Errno) { top = try open(name.nulTerminated, in: base) } catch {
        if error == .noSuchFileOrDirectory { return }
        throw error
      }
      var serial = 0
      // Each pass may move directories up: until one finds nothing.
      while try emptyOnce(top, serial: &serial) {}
      try base.remove(name: name.nulTerminated, directory: true)
      try base.synchronize()
    } catch {
      switch error {
      case .improperLink, .resourceBusy: throw .mountInside(path: name.description)
      default: throw .system(error, operation: "remove \(name)")
      }
    }
  }

  /// - Throws: EXDEV for the root of a mount.
  private static func open(_ name: [UInt8], in directory: borrowing Descriptor) throws(Errno) -> Descriptor {
    do throws(Errno) {
      return try directory.open(
        path: name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, resolve: [.beneath, .noCrossingMounts, .noSymlinks])
    } catch {
      // Kernels before 5.6, and seccomp filters that know no openat2: the mount ids tell as well.
      guard error == .noFunction || error == .notPermitted else { throw error }
      let child = try directory.open(name: name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
      guard try child.status().device == directory.status().device else { throw .otherFileSystem }
      return child
    }
  }

  /// - Returns: whether there was anything.
  private static func emptyOnce(_ top: borrowing Descriptor, serial: inout Int) throws(Errno) -> Bool {
    let entries = try entries(of: top)
    for entry in entries {
      guard entry.isDirectory else {
        try removeFile(entry.name, in: top)
        continue
      }
      let child = try open(entry.name, in: top)
      for inner in try Self.entries(of: child) {
        if inner.isDirectory {
          try removeOrRaise(inner.name, from: child, to: top, serial: &serial)
        } else {
          try removeFile(inner.name, in: child)
        }
      }
      // Somebody may have put something there meanwhile: the next pass sees it.
      do throws(Errno) { try top.remove(name: entry.name, directory: true) } catch {
        guard error == .directoryNotEmpty || error == .noSuchFileOrDirectory else { throw error }
      }
    }
    return !entries.isEmpty
  }

  private static func removeFile(_ name: [UInt8], in directory: borrowing Descriptor) throws(Errno) {
    do throws(Errno) { try directory.remove(name: name, directory: false) } catch {
      if error != .noSuchFileOrDirectory { throw error }
    }
  }

  private static func removeOrRaise(
    _ name: [UInt8], from child: borrowing Descriptor, to top: borrowing Descriptor, serial: inout Int
  ) throws(Errno) {
    do throws(Errno) { return try child.remove(name: name, directory: true) } catch {
      if error == .noSuchFileOrDirectory { return }
      guard error == .directoryNotEmpty || error == .fileExists else { throw error }
    }
    while true {
      serial += 1
      do throws(Errno) {
        return try child.rename(name: name, toNew: Array("\(serial)".utf8) + [0], in: top)
      } catch {
        guard error == .fileExists || error == .directoryNotEmpty || error == .notDirectory else { throw error }
      }
    }
  }

  private static func entries(of directory: borrowing Descriptor) throws(Errno) -> [(name: [UInt8], isDirectory: Bool)]
  {
    var reader = try DirectoryReader(try directory.open(name: [0x2E, 0], OpenFlags.directory), from: 0)
    var found: [(name: [UInt8], type: UInt8)] = []
    _ = try reader.forEach { (name, _, type, _) throws(Errno) in
      let name = FileName(name).nulTerminated
      if name != [0x2E, 0], name != [0x2E, 0x2E, 0] { found.append((name, type)) }
      return true
    }
    var entries: [(name: [UInt8], isDirectory: Bool)] = []
    for (name, type) in found {
      // DT_UNKNOWN: the file system does not say.
      let isDirectory = type == 0 ? try directory.status(name: name).type == FileType.directory : type == 4
      entries.append((name, isDirectory))
    }
    return entries
  }
}

extension Descriptor {
  /// Renames to a name that must be free. Where the file system has no RENAME_NOREPLACE, what takes the name between
  /// the
  /// look and the rename is replaced if it is an empty directory or, for a file, any file.
  borrowing func rename(
    name: [UInt8], toNew newName: [UInt8], in directory: borrowing Descriptor
  ) throws(Errno) {
    do throws(Errno) {
      return try rename(name: name, to: directory, name: newName, flags: RenameFlags.noReplace.rawValue)
    } catch {
      guard error == .invalidArgument else { throw error }
    }
    if (try? directory.status(name: newName)) != nil { throw .nameTaken }
    try rename(name: name, to: directory, name: newName, flags: 0)
  }
}
