import Glibc
import LinuxSystem
import SystemPackage

/// `whole-1` of a store: versions whose bytes, and nothing else, are a file each, `XX/YYYY…` by their numbers. What a file is
/// stands in an extended attribute.
final class WholeFolder: Sendable {
  static let name = Array("whole-1".utf8) + [0]
  /// What is being written: one file at a time.
  private static let newName = Array("new".utf8) + [0]
  private static let identityAttribute = Array("user.alluxio.version".utf8) + [0]
  private static let resolution: PathResolution = [.beneath, .noSymlinks, .noCrossingMounts]

  private let root: Descriptor
  private let faults: DiskFaults

  /// What a file of that size takes on disk, one block for what says which version it is.
  static func cost(of size: Int64) -> Int64 { PageLayout.cost(pageLength: Int(size)) }

  /// Makes the folder where it is absent, and removes what a process before this one has not ended: the store opens it once,
  /// before it writes there.
  init(in folder: PageFolder) throws(Errno) {
    do throws(Errno) { try folder.root.makeDirectory(name: Self.name, mode: 0o700) } catch .fileExists {}
    root = try folder.root.open(name: Self.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
    faults = folder.faults
    abandon()
  }

  /// Removes it and all in it; harmless where it is not.
  static func clear(in folder: PageFolder) {
    guard let root = try? folder.root.open(name: name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW) else { return }
    try? FolderUsage.clear(root)
    try? folder.root.remove(name: name, directory: true)
  }

  /// A version's file, for reading.
  /// - Returns: nil when what has its name is not that: it should be removed.
  /// - Throws: ENOENT when it is not there.
  func open(_ id: FileVersionID, identity: [UInt8], size: Int64) throws(Errno) -> Descriptor? {
    let file: Descriptor
    do throws(Errno) {
      file = try root.open(
        path: id.pathName, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, resolve: Self.resolution)
    } catch  where [.tooManySymbolicLinkLevels, .isDirectory, .noSuchAddressOrDevice, .improperLink].contains(error) {
      return nil
    }
    let status = try file.status()
    guard status.type == S_IFREG, status.linkCount == 1, status.size == size,
      let found = try? file.extendedAttribute(Self.identityAttribute), found == identity
    else { return nil }
    return consume file
  }

  /// It was used now, for whoever asks later what was not.
  static func touch(_ file: borrowing Descriptor) {
    try? file.changeTimes(access: .unchanged, modification: .now)
  }

  /// A new file, empty and without its name.
  func begin() throws(Errno) -> Descriptor {
    abandon()
    let file = try root.open(name: Self.newName, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, mode: 0o600)
    try faults.reach(.wholeCreated)
    return file
  }

  /// Gives the file its name, once all of it is on the disk: nobody checks its bytes any more.
  func end(_ file: borrowing Descriptor, _ id: FileVersionID, identity: [UInt8]) throws(Errno) {
    try file.setExtendedAttribute(Self.identityAttribute, to: identity, flags: 0)
    try faults.reach(.wholeWritten)
    try file.synchronize()
    do throws(Errno) { try root.makeDirectory(name: id.folderName, mode: 0o700) } catch .fileExists {}
    let folder = try root.open(
      path: id.folderName, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, resolve: Self.resolution)
    try faults.reach(.beforeWholeName)
    try root.rename(name: Self.newName, to: folder, name: id.fileName, flags: 0)
    try faults.reach(.afterWholeName)
  }

  /// Removes what ``begin()`` made.
  func abandon() { try? root.remove(name: Self.newName, directory: false) }

  /// Harmless when nothing has the name. Whoever has it open reads on.
  func remove(_ id: FileVersionID) throws(Errno) {
    do throws(Errno) {
      let folder = try root.open(
        path: id.folderName, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, resolve: Self.resolution)
      try folder.remove(name: id.fileName, directory: false)
    } catch .noSuchFileOrDirectory {}
  }

  /// All files whose names are right, with the bytes that each takes and when it was used last, in nanoseconds since 1970.
  func forEach(_ body: (FileVersionID, Int64, Int64) -> Void) throws(Errno) {
    for folder in try PageFolder.names(in: root) where folder.count == 3 {
      guard let inner = try? root.open(path: folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, resolve: Self.resolution)
      else { continue }
      for name in try PageFolder.names(in: inner) {
        guard let id = FileVersionID(folder: folder.dropLast(), name: name.dropLast()),
          let status = try? inner.status(name: name)
        else { continue }
        body(id, Self.cost(of: status.size), status.modificationTime)
      }
    }
  }
}
