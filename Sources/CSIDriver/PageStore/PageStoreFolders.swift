internal import Glibc
internal import LinuxSystem
internal import PageStore
internal import SystemPackage
internal import VolumeModel

/// The folders beneath `--page-store`: one for each worker key of an object store, with `pages` and `spools` in it, and one
/// with `pages` for each group of volumes that share theirs (`SharedPages`). Made by
/// the mounter; the plugin measures and empties them, and believes nothing that a worker wrote. Everything here may block.
struct PageStoreFolders: Sendable {
  /// `--page-store`, absolute.
  let path: String

  init(path: String) { self.path = path }

  private static let pages = Array("pages".utf8) + [0]
  private static let spools = Array("spools".utf8) + [0]

  /// Names of worker keys and groups that have a folder; none while there is no page store.
  func names() throws(Errno) -> [String] {
    do throws(Errno) {
      return try DirectoryNames.list(path).filter { Self.isWorkerName($0) || SharedPages(name: $0) != nil }
    } catch .noSuchFileOrDirectory {
      return []
    }
  }

  /// 32 hexadecimal digits. Other names are not the driver's and are left alone.
  private static func isWorkerName(_ name: String) -> Bool {
    name.utf8.count == 32
      && name.utf8.allSatisfy {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0)
      }
  }

  /// A quarter of the file system that holds the page store, for who says nothing else.
  func defaultBudget() throws(Errno) -> UInt64 {
    var existing = path
    while true {
      do throws(Errno) { return try FileSystemStatistics(at: existing).totalBytes / 4 } catch .noSuchFileOrDirectory {
        let parent = existing.lastIndex(of: "/").map { String(existing[..<$0]) } ?? ""
        existing = parent.isEmpty ? "/" : parent
      }
    }
  }

  /// What a folder's pages really take on disk.
  func measure(_ name: String) throws(Errno) -> Int64 {
    do throws(Errno) { return try FolderUsage.measure(try open(name, Self.pages)) } catch .noSuchFileOrDirectory {
      return 0
    }
  }

  /// When pages came or went last, in seconds since the epoch.
  func lastUse(_ name: String) throws(Errno) -> Int64 {
    do throws(Errno) { return try open(name, Self.pages).status().modificationTime } catch .noSuchFileOrDirectory {
      return 0
    }
  }

  /// Takes pages away, those that were written longest ago first, until so many bytes are left.
  func shrink(_ name: String, to limit: Int64) throws(Errno) {
    do throws(Errno) { try FolderUsage.trim(try open(name, Self.pages), to: limit) } catch .noSuchFileOrDirectory {}
  }

  /// Takes a folder away that no worker has. Bytes in its `spools` that applications wrote and the store has not got are
  /// nobody's to throw away: with them the folder stays. So does one that volumes share, without its pages: the next of them
  /// may be about to open it.
  func remove(_ name: String) throws(Errno) {
    if SharedPages(name: name) != nil { return try shrink(name, to: 0) }
    do throws(Errno) {
      let store = try Descriptor.open(path, O_RDONLY | O_DIRECTORY)
      let folder = try store.open(name: Array(name.utf8) + [0], O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
      do throws(Errno) {
        try FolderUsage.clear(try folder.open(name: Self.pages, O_RDONLY | O_DIRECTORY | O_NOFOLLOW))
      } catch .noSuchFileOrDirectory {}
      do throws(Errno) { try folder.remove(name: Self.spools, directory: true) } catch .noSuchFileOrDirectory {}
      try FolderUsage.clear(folder)
      try store.removeDirectory(name)
    } catch .noSuchFileOrDirectory {
      return
    } catch .directoryNotEmpty {
      return
    }
  }

  private func open(_ name: String, _ part: [UInt8]) throws(Errno) -> Descriptor {
    let store = try Descriptor.open(path, O_RDONLY | O_DIRECTORY)
    let folder = try store.open(name: Array(name.utf8) + [0], O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
    return try folder.open(name: part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
  }
}
