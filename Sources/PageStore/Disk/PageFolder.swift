import Glibc
import LinuxSystem
import Synchronization
import SystemPackage

/// The folder of a store, by its descriptor. Every name in it is reached without following a symlink.
final class PageFolder: Sendable {
  static let pagesName = Array("pages-1".utf8) + [0]

  /// The folder that was given, and `pages-1` in it.
  let root: Descriptor
  let pages: Descriptor
  let faults: DiskFaults
  /// Whether all of it is memory, so that reads need no thread of their own.
  let isMemory: Bool
  /// Where other processes, of other users, have the folder as well.
  let flights: FlightLocks?
  /// What new files and folders let others do.
  private let modes: (file: UInt32, folder: UInt32)
  /// The file system has no O_DIRECT.
  private let refusesDirect = Atomic(false)

  /// Opens the folder, and makes `pages-1` where it is absent.
  /// - Parameter isShared: with users of the folder's group, which new files and folders get by its set-group-ID bit.
  init(_ folder: borrowing Descriptor, isShared: Bool = false, faults: DiskFaults) throws(Errno) {
    root = try folder.open(at: ".", O_RDONLY | O_DIRECTORY)
    modes = isShared ? (0o660, 0o770) : (0o600, 0o700)
    flights = isShared ? try? FlightLocks(in: root, mode: modes.file) : nil
    do throws(Errno) {
      try root.makeDirectory(name: Self.pagesName, mode: modes.folder)
    } catch .fileExists {
    } catch .readOnlyFileSystem {
    } catch .permissionDenied {
    }
    pages = try root.open(name: Self.pagesName, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
    // A folder's files get inode numbers near its own, and ext4 passes over each one that was freed lately.
    _ = try? InodeFlags.setTopDirectory(on: pages)
    isMemory = (try? root.fileSystemType()) == 0x0102_1994  // TMPFS_MAGIC
    self.faults = faults
  }

  func reach(_ step: DiskStep) throws(Errno) { try faults.reach(step) }

  private static let resolution: PathResolution = [.beneath, .noSymlinks, .noCrossingMounts]

  /// A file, and whether it can be written to.
  struct Opened: ~Copyable {
    var file: Descriptor
    var isWritable: Bool
  }

  /// The file of a version, for reading and writing, or for reading alone where nothing can be written.
  /// - Throws: ENOENT when it is not there, ELOOP and others for what is no file.
  func open(_ id: FileVersionID) throws(Errno) -> Opened {
    try reach(.openFile)
    let name = id.pathName
    // O_NONBLOCK: nothing that is planted there can make the open wait.
    let flags = O_NOFOLLOW | O_NONBLOCK | O_NOCTTY
    do throws(Errno) {
      return Opened(file: try pages.open(path: name, O_RDWR | flags, resolve: Self.resolution), isWritable: true)
    } catch  where error == .readOnlyFileSystem || error == .permissionDenied {
      return Opened(file: try pages.open(path: name, O_RDONLY | flags, resolve: Self.resolution), isWritable: false)
    }
  }

  /// The same file for writes that leave the page cache out; nil where that cannot be, or the name has another file.
  func openDirect(_ id: FileVersionID, like file: borrowing Descriptor) -> Descriptor? {
    guard !isMemory, !refusesDirect.load(ordering: .relaxed) else { return nil }
    let flags = O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | Descriptor.directIOFlag
    do throws(Errno) {
      let direct = try pages.open(path: id.pathName, flags, resolve: Self.resolution)
      let (found, known) = (try direct.status(), try file.status())
      guard found.inode == known.inode, found.device == known.device else { return nil }
      return consume direct
    } catch {
      if error == .invalidArgument { refusesDirect.store(true, ordering: .relaxed) }
      return nil
    }
  }

  /// - Throws: EEXIST when the name is taken.
  func create(_ id: FileVersionID) throws(Errno) -> Descriptor {
    try reach(.createFile)
    let flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW
    do throws(Errno) {
      return try pages.open(path: id.pathName, flags, mode: modes.file, resolve: Self.resolution)
    } catch .noSuchFileOrDirectory {
      do throws(Errno) { try pages.makeDirectory(name: id.folderName, mode: modes.folder) } catch .fileExists {}
      return try pages.open(path: id.pathName, flags, mode: modes.file, resolve: Self.resolution)
    }
  }

  /// Removes what has the name of the version; harmless when nothing has. A directory in its place is removed when empty.
  func remove(_ id: FileVersionID) throws(Errno) {
    try reach(.beforeUnlink)
    let folder: Descriptor
    do throws(Errno) {
      folder = try pages.open(path: id.folderName, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, resolve: Self.resolution)
    } catch .noSuchFileOrDirectory {
      return
    }
    do throws(Errno) {
      try folder.remove(name: id.fileName, directory: false)
    } catch .noSuchFileOrDirectory {
    } catch .isDirectory {
      try folder.remove(name: id.fileName, directory: true)
    }
    try reach(.afterUnlink)
  }

  /// Numbers of all versions whose files have the right names; anything else is passed over.
  /// - Parameter body: returns false to end the walk.
  func forEachName(_ body: (FileVersionID) -> Bool) throws(Errno) {
    for folder in try Self.names(in: pages) where folder.count == 3 {
      guard let inner = try? pages.open(path: folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, resolve: Self.resolution)
      else { continue }
      for name in try Self.names(in: inner) {
        guard let id = FileVersionID(folder: folder.dropLast(), name: name.dropLast()) else { continue }
        guard body(id) else { return }
      }
    }
  }

  /// Names, each with its NUL, sorted so that two walks meet the same order.
  static func names(in directory: borrowing Descriptor) throws(Errno) -> [[UInt8]] {
    var names: [[UInt8]] = []
    var reader = try DirectoryReader(try directory.open(at: ".", O_RDONLY | O_DIRECTORY), from: 0)
    _ = try reader.forEach { (name, _, _, _) throws(Errno) in
      var bytes: [UInt8] = []
      for index in name.indices { bytes.append(name[index]) }
      if bytes.first != UInt8(ascii: ".") { names.append(bytes) }
      return true
    }
    return names.sorted { $0.lexicographicallyPrecedes($1) }
  }
}
