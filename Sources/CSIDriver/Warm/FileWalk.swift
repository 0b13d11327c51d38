import Glibc
internal import LinuxSystem
internal import SystemPackage

/// Goes through the regular files beneath a directory. Symlinks are not followed, and nothing outside is reached. It
/// remembers the directories that it has still to go through, and nothing else: of files there may be millions.
struct FileWalk {
  /// The directory that all paths are relative to. Borrowed for the time of the walk.
  let root: SharedDescriptor

  /// What a walk comes across.
  enum Step {
    /// The path beneath the root, ending in a NUL, and bytes.
    case file([UInt8], size: Int64)
    case unreadable([UInt8], Errno)
  }

  /// - Parameters:
  ///   - start: relative path of a directory or file, ending in a NUL; `.` is the root.
  ///   - body: false ends the walk.
  func forEach(from start: [UInt8], _ body: (Step) -> Bool) {
    var pending: [[UInt8]] = []
    do throws(Errno) {
      let status = try root.descriptor.open(path: start, Self.pathOnly, resolve: Self.inside).status()
      if status.type == S_IFDIR {
        pending.append(start)
      } else if status.type == S_IFREG, !body(.file(start, size: status.size)) {
        return
      }
    } catch {
      _ = body(.unreadable(start, error))
      return
    }
    while let directory = pending.popLast() {
      var goesOn = true
      do throws(Errno) {
        try list(directory, into: &pending) { step in
          goesOn = body(step)
          return goesOn
        }
      } catch {
        // Removed meanwhile: nothing is missed.
        if error != .noSuchFileOrDirectory { goesOn = body(.unreadable(directory, error)) }
      }
      if !goesOn { return }
    }
  }

  private func list(
    _ directory: [UInt8], into pending: inout [[UInt8]], _ body: (Step) -> Bool
  ) throws(Errno) {
    let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW
    let names = try root.descriptor.open(path: directory, flags, resolve: Self.inside)
    var reader = try DirectoryReader(try names.duplicate(), from: 0)
    _ = try reader.forEach { (span, _, type, _) throws(Errno) in
      var name: [UInt8] = []
      for index in 0..<span.count { name.append(span[index]) }
      if name == Self.here || name == [0x2E, 0x2E, 0] { return true }
      let path = directory == Self.here ? name : directory.dropLast() + [0x2F] + name
      switch type {
      case Self.isDirectory: pending.append(path)
      case Self.isRegular, Self.isUnknown:
        let status: FileStatus
        do throws(Errno) { status = try names.status(name: name) } catch {
          return error == .noSuchFileOrDirectory ? true : body(.unreadable(path, error))
        }
        if status.type == S_IFDIR {
          pending.append(path)
        } else if status.type == S_IFREG {
          return body(.file(path, size: status.size))
        }
      default: break
      }
      return true
    }
  }

  /// The root, for `forEach(from:)`.
  static let here: [UInt8] = [0x2E, 0]
  /// What is mounted inside is not the volume's.
  static let inside: PathResolution = [.beneath, .noSymlinks, .noCrossingMounts]
  /// O_PATH | O_NOFOLLOW.
  private static let pathOnly = CInt(0o10000000) | O_NOFOLLOW
  /// DT_* of readdir(3).
  private static let isUnknown: UInt8 = 0
  private static let isDirectory: UInt8 = 4
  private static let isRegular: UInt8 = 8
}
