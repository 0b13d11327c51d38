import LinuxSystem
import Synchronization
import SystemPackage

/// Creation in two steps: the object first, then its name.
extension LocalNode {
  func prepare(
    _ object: NewObject, named name: FileName, token: UInt64, for creator: Creator
  ) throws(Errno) -> any PreparedNode {
    try name.checkNew()
    if case .file(let mode) = object, volume.hasUnnamedFiles.load(ordering: .relaxed) {
      do throws(Errno) {
        let made = try create(mode: mode, for: creator) { () throws(Errno) in
          try descriptor.openUnnamedFile(mode: mode & 0o7777)
        }
        return try LocalPreparedNode(
          parent: self, name: name, hidden: nil, object: object, caller: creator.caller, made)
      } catch {
        // ext4 says EPERM for O_TMPFILE in a directory that has been removed; any other creation there is ENOENT.
        if error == .notPermitted, try descriptor.status().linkCount == 0 { throw .directoryRemoved }
        // EISDIR: a file system that takes O_TMPFILE for O_DIRECTORY.
        guard error == .notSupported || error == .isDirectory else { throw error }
        volume.hasUnnamedFiles.store(false, ordering: .relaxed)
      }
    }
    let hidden = HiddenName.temporary(token: token).nulTerminated
    do throws(Errno) {
      let made = try create(mode: object.mode, for: creator) { () throws(Errno) in
        try make(object, hidden: hidden)
      }
      return try LocalPreparedNode(
        parent: self, name: name, hidden: hidden, object: object, caller: creator.caller, made)
    } catch {
      if error != .fileExists { sweep(token: token) }
      throw error
    }
  }

  private func make(_ object: NewObject, hidden: [UInt8]) throws(Errno) -> Descriptor {
    switch object {
    case .file(let mode):
      return try descriptor.open(name: hidden, OpenFlags.newFile, mode: mode & 0o7777)
    case .directory(let mode):
      try descriptor.makeDirectory(name: hidden, mode: mode & 0o7777)
    case .symlink(let target):
      guard !target.contains(0) else { throw .malformedTarget }
      try descriptor.makeSymlink(name: hidden, target: target + [0])
    case .special(let mode, let device):
      try descriptor.makeNode(name: hidden, mode: mode, device: device)
    }
    return try descriptor.open(name: hidden, OpenFlags.path)
  }

  /// Runs `body` so that what it makes belongs to the creator, and changes the owner where that needs the worker's
  /// rights.
  private func create(
    mode: UInt32, for creator: Creator, _ body: () throws(Errno) -> Descriptor
  ) throws(Errno) -> Descriptor {
    let caller = creator.caller
    if creator.uid != nil || creator.gid != nil {
      let made = try asWorker(umask: caller.umask, body)
      try made.changeCreator(uid: creator.uid ?? caller.uid, gid: creator.gid, mode: mode)
      return made
    }
    // Groups cost a look into /proc: they matter for setgid files, and where the directory is writable by one of them.
    var groups: [UInt32]? = mode & 0o2000 == 0 ? nil : ThreadCredentials.groups(ofProcess: caller.pid)
    do throws(Errno) { return try asCaller(caller, groups: groups ?? [], body) } catch {
      guard error == .permissionDenied, groups == nil, caller.uid != volume.workerUID else { throw error }
    }
    groups = ThreadCredentials.groups(ofProcess: caller.pid)
    if let groups { return try asCaller(caller, groups: groups, body) }
    // The caller's process is not visible from here (another PID namespace), so its groups are unknown. The kernel has
    // checked its permission with them; the worker makes the object and gives it away.
    let made = try asWorker(umask: caller.umask, body)
    let inheritsGroup = try descriptor.status().mode & 0o2000 != 0
    try made.changeCreator(uid: caller.uid, gid: inheritsGroup ? nil : caller.gid, mode: mode)
    return made
  }

  private func asCaller(
    _ caller: Caller, groups: [UInt32], _ body: () throws(Errno) -> Descriptor
  ) throws(Errno) -> Descriptor {
    try ThreadCredentials.perform(uid: caller.uid, gid: caller.gid, groups: groups, umask: caller.umask, body)
  }

  private func asWorker(umask: UInt32, _ body: () throws(Errno) -> Descriptor) throws(Errno) -> Descriptor {
    try ThreadCredentials.perform(uid: volume.workerUID, gid: volume.workerGID, umask: umask, body)
  }
}

extension Descriptor {
  /// Gives a new object away and puts back the setuid and setgid bits that chown(2) clears.
  fileprivate borrowing func changeCreator(uid: UInt32, gid: UInt32?, mode: UInt32) throws(Errno) {
    let before = try status().mode
    try changeOwner(uid: uid, gid: gid)
    if before & 0o6000 != 0, before & FileType.mask != FileType.symlink { try changeMode(before & 0o7777) }
  }
}

extension NewObject {
  var mode: UInt32 {
    switch self {
    case .file(let mode), .directory(let mode), .special(let mode, _): mode
    case .symlink: 0o777
    }
  }
}
