import LinuxSystem
import SystemPackage

/// A file of a local UFS, held by an O_PATH descriptor: it has no rights of its own and works for every type of file.
final class LocalNode: UnderNode {
  let descriptor: Descriptor
  let identity: NodeIdentity?
  /// S_IFMT bits where they are known already; the type of a node never changes.
  private let knownType: UInt32?
  let volume: LocalVolume

  init(_ descriptor: consuming Descriptor, identity: NodeIdentity?, type: UInt32?, volume: LocalVolume) {
    self.descriptor = descriptor
    self.identity = identity
    knownType = type
    self.volume = volume
  }

  convenience init(_ descriptor: consuming Descriptor, volume: LocalVolume) throws(Errno) {
    let identity = try volume.identity(of: descriptor)
    self.init(descriptor, identity: identity, type: nil, volume: volume)
  }

  var descriptorNumber: CInt? { descriptor.rawValue }

  var allowsDirectIO: Bool {
    guard let identity else { return false }
    let handle = FileHandle(type: identity.kind, length: identity.length, words: identity.words)
    do throws(Errno) { try volume.root.open(handle, OpenFlags.read | OpenFlags.direct).close() } catch {
      return error != .invalidArgument
    }
    return true
  }

  func fingerprint() throws(Errno) -> NodeIdentity {
    if let identity { return identity }
    return try volume.fingerprint(of: [0], in: descriptor)
  }

  func fingerprint(of name: FileName) throws(Errno) -> NodeIdentity {
    try name.check()
    return try volume.fingerprint(of: name.nulTerminated, in: descriptor)
  }

  func attributes() throws(Errno) -> Attributes { Attributes(try descriptor.status()) }

  func readLink() throws(Errno) -> [UInt8] { try descriptor.readLink() }

  func open(_ access: FileAccess, caller: Caller) throws(Errno) -> any OpenFile {
    try checkRegular()
    let flags = access == .read ? OpenFlags.read : OpenFlags.readWrite
    if let identity {
      let handle = FileHandle(type: identity.kind, length: identity.length, words: identity.words)
      do throws(Errno) {
        return LocalFile(try volume.root.open(handle, flags), access: access)
      } catch {
        guard error == .permissionDenied || error == .notPermitted else { throw error }
      }
    }
    // The magic link of /proc is the symlink here, so O_NOFOLLOW must go; what it leads to has just been checked.
    let followed = flags & ~OpenFlags.noFollow
    return LocalFile(
      try volume.asWorker(orCaller: caller) { () throws(Errno) in try descriptor.reopen(followed) }, access: access)
  }

  func openAsCaller(_ access: FileAccess, caller: Caller) throws(Errno) -> any OpenFile {
    try checkRegular()
    let flags = (access == .read ? OpenFlags.read : OpenFlags.readWrite) & ~OpenFlags.noFollow
    let groups = ThreadCredentials.groups(ofProcess: caller.pid) ?? []
    return try ThreadCredentials.perform(uid: caller.uid, gid: caller.gid, groups: groups) { () throws(Errno) in
      LocalFile(try descriptor.reopen(flags), access: access)
    }
  }

  /// Opening a device or pipe may block or do things: only what is known to be a regular file is opened.
  private func checkRegular() throws(Errno) {
    let type = try type()
    guard type == FileType.regular else { throw .notRegular(type) }
  }

  private func type() throws(Errno) -> UInt32 {
    if let knownType { return knownType }
    return try descriptor.status().type
  }

  func list(from cookie: UInt64) throws(Errno) -> any DirectoryStream {
    LocalDirectoryStream(try DirectoryReader(try openForReading(), from: cookie))
  }

  func synchronize() throws(Errno) { try openForReading().synchronize() }

  /// This directory, opened for reading.
  func openForReading() throws(Errno) -> Descriptor {
    try descriptor.open(name: [0x2E, 0], OpenFlags.directory)
  }
}

// MARK: - Attributes

extension LocalNode {
  func setAttributes(_ change: AttributeChange, caller: Caller) throws(Errno) -> Attributes {
    try volume.asWorker(orCaller: caller) { () throws(Errno) in try apply(change) }
    return try attributes()
  }

  /// Owner before mode, since a change of owner clears setuid and setgid; size before times, since it changes them.
  private func apply(_ change: AttributeChange) throws(Errno) {
    if change.uid != nil || change.gid != nil { try descriptor.changeOwner(uid: change.uid, gid: change.gid) }
    if let mode = change.mode { try descriptor.changeMode(mode & 0o7777) }
    if let size = change.size {
      guard try type() == FileType.regular else {
        throw .notTruncatable(try type())
      }
      try descriptor.truncatePath(to: size)
    }
    if change.killPrivileges, change.mode == nil { try descriptor.clearSetIDBits() }
    if change.accessTime != nil || change.modificationTime != nil {
      try descriptor.changeTimes(
        access: FileTime(change.accessTime), modification: FileTime(change.modificationTime))
    }
  }

  func extendedAttribute(_ name: FileName) throws(Errno) -> [UInt8] {
    try descriptor.extendedAttribute(name.nulTerminated)
  }

  func extendedAttributeNames() throws(Errno) -> [UInt8] { try descriptor.extendedAttributeNames() }

  func setExtendedAttribute(
    _ name: FileName, to value: [UInt8], flags: ExtendedAttributeFlags, caller: Caller
  ) throws(Errno) {
    if name == Self.accessACL, try descriptor.status().mode & 0o2000 != 0, let owner = volume.unprivileged(caller) {
      // acl(5) on Linux: setgid goes when the caller is not in the file's group, which only the caller's own rights tell.
      do throws(Errno) {
        return try ThreadCredentials.perform(uid: owner.uid, gid: owner.gid, groups: owner.groups) { () throws(Errno) in
          try descriptor.setExtendedAttribute(name.nulTerminated, to: value, flags: flags.rawValue)
        }
      } catch { if error != .notPermitted && error != .permissionDenied { throw error } }
    }
    try volume.asWorker(orCaller: caller) { () throws(Errno) in
      try descriptor.setExtendedAttribute(name.nulTerminated, to: value, flags: flags.rawValue)
    }
  }

  func removeExtendedAttribute(_ name: FileName, caller: Caller) throws(Errno) {
    try volume.asWorker(orCaller: caller) { () throws(Errno) in
      try descriptor.removeExtendedAttribute(name.nulTerminated)
    }
  }

  private static let accessACL: FileName = "system.posix_acl_access"
}

extension Descriptor {
  /// Clears setuid, and setgid of what the group may execute: setgid without it once meant mandatory locking.
  borrowing func clearSetIDBits() throws(Errno) {
    let status = try status()
    guard status.type == FileType.regular else { return }
    var cleared = status.mode & ~0o4000
    if cleared & 0o010 != 0 { cleared &= ~0o2000 }
    if cleared != status.mode { try changeMode(cleared & 0o7777) }
  }
}

extension FileTime {
  init(_ change: TimeChange?) {
    switch change {
    case nil: self = .unchanged
    case .now: self = .now
    case .at(let time): self = .at(time)
    }
  }
}
