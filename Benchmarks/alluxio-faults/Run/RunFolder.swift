import Foundation
import LinuxSystem
import Mounter
import VolumeModel

/// The folder of one run of a cell, removed with the cgroups of its mounters.
struct RunFolder {
  let path: String

  init() throws {
    // In memory, where the disks are made, and where nothing is missing when /tmp is full.
    let base = "/dev/shm"
    var template = Array("\(base)/alluxio-faults-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw FaultError("cannot make a folder in \(base)") }
    path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  /// What the cell has found, as JSON.
  var result: String { "\(path)/result.json" }
  static func stateDirectory(in path: String) -> String { "\(path)/kubelet/plugins/alluxio" }

  /// Directories that nobody can remove as they are.
  func immutable() -> [String] {
    directories(path).filter { directory in
      guard let file = try? Descriptor.open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW) else { return false }
      return (try? InodeFlags.isImmutable(file)) == true
    }
  }

  func remove() {
    for directory in immutable() {
      guard let file = try? Descriptor.open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW) else { continue }
      _ = try? InodeFlags.setImmutable(false, on: file)
    }
    try? FileManager.default.removeItem(atPath: path)
    removeCgroups()
  }

  /// Those of mounters that were killed.
  private func removeCgroups() {
    guard let parent = try? MemoryCgroup.own() else { return }
    let prefix = WorkerCgroupName.prefix(stateDirectory: Self.stateDirectory(in: path))
    let limit = Deadline.after(.seconds(5))
    for name in (try? DirectoryNames.list(parent.folder)) ?? [] where name.hasPrefix(prefix) {
      // Processes that were killed leave it a moment later.
      while (try? parent.child(name).remove()) == nil, !limit.hasPassed { usleep(10_000) }
    }
  }

  private func directories(_ path: String) -> [String] {
    let names = (try? DirectoryNames.list(path)) ?? []
    return [path]
      + names.map { "\(path)/\($0)" }.filter { (try? SymbolicLink.read($0)) == nil && isDirectory($0) }
      .flatMap(directories)
  }

  private func isDirectory(_ path: String) -> Bool {
    var status = stat()
    return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }
}
