internal import LinuxSystem
internal import SystemPackage

/// Folders of the plugin's own, by path: nobody else writes in their parents.
enum Folder {
  /// Makes the folder and those above it that are missing.
  static func make(_ path: String, mode: UInt32) throws(Errno) {
    var folder = try Descriptor.reach("/")
    for part in path.split(separator: "/") {
      let name = String(part)
      do throws(Errno) { try folder.makeDirectory(name, mode: mode) } catch .fileExists {}
      folder = try folder.reach(name, followingLinks: true)
    }
  }

  /// Whether files can be made in the folder now: not when its disk is full, read-only or gone.
  static func checkWritable(_ path: String) throws(Errno) {
    let probe = "\(path)/.probe"
    try AtomicFile.write([], to: probe)
    try AtomicFile.remove(probe)
  }
}
