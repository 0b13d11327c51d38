/// The mount options of a PersistentVolume or StorageClass (CSI `mount_flags`), validated against a list.
///
/// Whatever could leave the volume, change its user or its protections is refused, and so is what is not known. Flags
/// may
/// hold sensitive text (CSI "mount_flags"), so that messages name only options of our own lists.
package struct MountFlags: Sendable, Hashable {
  /// `ro` was among them.
  package var readOnly = false
  /// Flags of the bind mount.
  package var noExec = false
  package var accessTime: AccessTime?
  /// Options of the worker by key, as `attrTimeout=5` gives them; they win over volume attributes.
  package var values: [String: String] = [:]

  package enum AccessTime: String, Sendable, Hashable { case noatime, relatime, nodiratime, strictatime }

  /// Always in force, or without a meaning here; taken since Alluxio's charts and common StorageClasses pass them.
  private static let harmless: Set<String> = [
    "rw", "nosuid", "nodev", "defaults", "_netdev", "allow_other", "kernel_cache", "default_permissions", "auto_cache",
  ]
  /// Harmless with a number, for the same reason.
  private static let harmlessWithNumber: Set<String> = [
    "max_background", "max_idle_threads", "max_threads", "max_read",
  ]
  /// Known from mount(8) and fuse(8), and dangerous.
  private static let dangerous: Set<String> = [
    "suid", "dev", "exec", "remount", "bind", "rbind", "move", "user", "users", "owner", "group", "uid", "gid", "umask",
    "user_id", "group_id", "fd", "rootmode", "allow_root", "subdir", "subtype", "fsname", "source", "context",
    "fscontext",
    "defcontext", "rootcontext", "shared", "rshared", "slave", "rslave", "private", "rprivate", "unbindable", "loop",
    "dirsync",
    "modules", "subdir", "drop_privileges", "auto_unmount", "nonempty", "path",
  ]

  /// - Parameter flags: each one option, or several joined by commas as mount(8) takes them.
  package init(_ flags: [String]) throws(VolumeContextError) {
    for flag in flags.flatMap(Self.parts) { try apply(flag) }
  }

  private static func parts(_ flag: String) -> [String] {
    Array(flag.utf8).split(separator: UInt8(ascii: ",")).map { String(decoding: $0, as: UTF8.self) }
  }

  private mutating func apply(_ flag: String) throws(VolumeContextError) {
    let halves = Array(flag.utf8).split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
    let name = String(decoding: halves.first ?? [], as: UTF8.self)
    let value = halves.count == 2 ? String(decoding: halves[1], as: UTF8.self) : nil
    switch (name, value) {
    case ("ro", nil): readOnly = true
    case ("noexec", nil): noExec = true
    case (_, nil) where AccessTime(rawValue: name) != nil: accessTime = AccessTime(rawValue: name)
    case (_, nil) where Self.harmless.contains(name): break
    case (_, let value?) where Self.harmlessWithNumber.contains(name):
      guard ValueForm.number(value, in: 0...UInt64(UInt32.max)) != nil else {
        throw .malformed(key: "mount option \(name)", expectation: "a number")
      }
    default: try applyKey(name, value)
    }
  }

  private mutating func applyKey(_ name: String, _ value: String?) throws(VolumeContextError) {
    if Self.dangerous.contains(name) {
      throw .misplaced(
        key: "mount option \(name)",
        advice:
          "is refused: it could leave the volume or change its user; owners are set by uid, gid and umask as parameters"
      )
    }
    if VolumeContextKey.isSecret(name) {
      throw .misplaced(key: "mount option \(name)", advice: "is a secret: put it into the secret that the volume names")
    }
    // The text of an unknown option is not repeated: CSI says that mount flags may be sensitive.
    guard let key = VolumeContextKey.named(name), key.places.contains(.mountOptions), let value else {
      throw .misplaced(
        key: "a mount option",
        advice: "is not on the list of allowed ones: ro, rw, noexec, noatime, relatime, nodiratime, strictatime"
          + Self.keys.map { ", \($0)=" }.joined())
    }
    try key.availability.check("mount option \(key.name)", serving: UnderFileSystemURI.Scheme.available)
    var scratch = WorkerOptions()
    try scratch.apply(key, value)
    values[key.name] = value
  }

  /// Keys of volumes that a mount option may give.
  private static let keys = VolumeContextKey.all.filter {
    $0.places.contains(.mountOptions) && $0.availability.isOffered(serving: UnderFileSystemURI.Scheme.available)
  }.map(\.name)

  /// Applies `attrTimeout=…` and the like on top of what the volume attributes say.
  package func apply(to options: inout WorkerOptions) throws(VolumeContextError) {
    for (name, value) in values.sorted(by: { $0.key < $1.key }) {
      guard let key = VolumeContextKey.named(name) else { continue }
      try options.apply(key, value)
    }
    if readOnly { options.readOnly = true }
  }
}
