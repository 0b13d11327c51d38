import Glibc
package import LinuxSystem
package import SystemPackage

/// What a page folder really takes on disk, for the plugin, which believes no worker. Nothing in the folder is opened but
/// folders, and no symlink is followed.
package enum FolderUsage {
  /// Folders lie no deeper in a page folder.
  private static let depth = 4

  /// What all that share a folder have open: without it they would not know of each other.
  private static let kept = ["flights-1", "usage-1"].map { Array($0.utf8) + [0] }

  /// One file beneath a page folder.
  private struct Found {
    var folder: [UInt8]
    var name: [UInt8]
    var bytes: Int64
    var modified: Int64
  }

  /// Bytes of all that lies beneath `folder`, as its blocks are counted. Files that have no name any more are not seen.
  package static func measure(_ folder: borrowing Descriptor) throws(Errno) -> Int64 {
    var sum: Int64 = 0
    try walk(folder, path: [], depth: depth) { sum += $0.bytes }
    return sum
  }

  /// Removes files, those that were written longest ago first, until at most `limit` bytes are left.
  /// - Returns: bytes that went.
  @discardableResult
  package static func trim(_ folder: borrowing Descriptor, to limit: Int64) throws(Errno) -> Int64 {
    var files: [Found] = []
    try walk(folder, path: [], depth: depth) { files.append($0) }
    var excess = files.reduce(0) { $0 + $1.bytes } - limit
    var freed: Int64 = 0
    files.sort { $0.modified < $1.modified }
    for file in files where excess > 0 && !(file.folder.isEmpty && kept.contains(file.name)) {
      let place =
        file.folder.isEmpty
        ? try folder.open(at: ".", O_RDONLY | O_DIRECTORY)
        : try folder.open(
          path: file.folder + [0], O_RDONLY | O_DIRECTORY, resolve: [.beneath, .noSymlinks, .noCrossingMounts])
      do throws(Errno) { try place.remove(name: file.name, directory: false) } catch .noSuchFileOrDirectory { continue }
      excess -= file.bytes
      freed += file.bytes
    }
    return freed
  }

  /// Removes everything beneath `folder`; other names than a store's too, since nobody uses it any more.
  /// - Throws: ENOTEMPTY where somebody made folders in it that no store makes.
  package static func clear(_ folder: borrowing Descriptor, depth: Int = depth) throws(Errno) {
    for (name, isFolder) in try names(in: folder) {
      if isFolder, depth > 0 {
        try clear(try folder.open(name: name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW), depth: depth - 1)
      }
      do throws(Errno) { try folder.remove(name: name, directory: isFolder) } catch .noSuchFileOrDirectory {}
    }
  }

  private static func walk(
    _ folder: borrowing Descriptor, path: [UInt8], depth: Int, _ body: (Found) -> Void
  ) throws(Errno) {
    for (name, isFolder) in try names(in: folder) {
      if isFolder {
        guard depth > 0, let inner = try? folder.open(name: name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW) else { continue }
        let below = path.isEmpty ? Array(name.dropLast()) : path + [47] + name.dropLast()
        try walk(inner, path: below, depth: depth - 1, body)
      } else if let status = try? folder.status(name: name) {
        body(Found(folder: path, name: name, bytes: status.blocks * 512, modified: status.modificationTime))
      }
    }
  }

  /// Each with its NUL.
  private static func names(in folder: borrowing Descriptor) throws(Errno) -> [(name: [UInt8], isFolder: Bool)] {
    var names: [(name: [UInt8], isFolder: Bool)] = []
    var reader = try DirectoryReader(try folder.open(at: ".", O_RDONLY | O_DIRECTORY), from: 0)
    _ = try reader.forEach { (name, _, type, _) throws(Errno) in
      var bytes: [UInt8] = []
      for index in name.indices { bytes.append(name[index]) }
      if bytes != [46, 0], bytes != [46, 46, 0] { names.append((bytes, type == 4)) }  // DT_DIR
      return true
    }
    return names
  }
}
