import LinuxSystem
import SystemPackage

/// Operations on the names in a directory.
extension LocalNode {
  func lookup(_ name: FileName) throws(Errno) -> FoundNode {
    try name.check()
    let child = try descriptor.open(name: name.nulTerminated, OpenFlags.path)
    let status = try child.status()
    let identity = try volume.identity(of: child)
    let node = LocalNode(child, identity: identity, type: status.type, volume: volume)
    return FoundNode(node: node, attributes: Attributes(status))
  }

  func link(_ node: any UnderNode, named name: FileName, caller: Caller) throws(Errno) {
    try name.checkNew()
    guard let node = node as? LocalNode else { throw .otherFileSystem }
    try volume.asWorker(orCaller: caller) { () throws(Errno) in
      try node.descriptor.link(into: descriptor, name: name.nulTerminated)
    }
  }

  func remove(_ name: FileName, directory: Bool, caller: Caller) throws(Errno) {
    try name.check()
    do throws(Errno) {
      try unlink(name, directory: directory, caller: caller)
    } catch {
      // ENOTEMPTY or EEXIST: POSIX allows both.
      guard directory, error == .directoryNotEmpty || error == .fileExists,
        sweepStaleTemporaries(of: name)
      else { throw error }
      try unlink(name, directory: directory, caller: caller)
    }
  }

  private func unlink(_ name: FileName, directory: Bool, caller: Caller) throws(Errno) {
    try volume.asWorker(orCaller: caller) { () throws(Errno) in
      try descriptor.remove(name: name.nulTerminated, directory: directory)
    }
  }

  func rename(
    _ name: FileName, to newParent: any UnderNode, named newName: FileName, flags: RenameFlags, caller: Caller
  ) throws(Errno) {
    try name.check()
    try newName.checkNew()
    guard let newParent = newParent as? LocalNode else { throw .otherFileSystem }
    func apply() throws(Errno) {
      try volume.asWorker(orCaller: caller) { () throws(Errno) in
        try descriptor.rename(
          name: name.nulTerminated, to: newParent.descriptor, name: newName.nulTerminated, flags: flags.rawValue)
      }
    }
    do throws(Errno) { try apply() } catch {
      guard error == .directoryNotEmpty || error == .fileExists, flags.isEmpty,
        newParent.sweepStaleTemporaries(of: newName)
      else { throw error }
      try apply()
    }
  }
}

// MARK: - Temporary names

extension LocalNode {
  func sweep(token: UInt64) {
    let name = HiddenName.temporary(token: token).nulTerminated
    do throws(Errno) { try descriptor.remove(name: name, directory: false) } catch {
      if error == .isDirectory { try? descriptor.remove(name: name, directory: true) }
    }
  }

  /// Seconds after which a temporary name cannot belong to a creation that is under way.
  private static let staleAge: Int64 = 10

  /// Removes old temporary names from a child directory that looks empty to everybody.
  /// - Returns: whether something was removed.
  fileprivate func sweepStaleTemporaries(of name: FileName) -> Bool {
    guard let child = try? descriptor.open(name: name.nulTerminated, OpenFlags.directory),
      var reader = try? DirectoryReader(try child.duplicate(), from: 0)
    else { return false }
    var stale: [FileName] = []
    _ = try? reader.forEach { (entry, _, _, _) throws(Errno) in
      if HiddenName.isTemporary(entry) { stale.append(FileName(entry)) }
      return true
    }
    var removed = false
    let now = Clock.now()
    for name in stale.map(\.nulTerminated) {
      guard let status = try? child.status(name: name), now - status.changeTime > Self.staleAge * 1_000_000_000
      else { continue }
      let isDirectory = status.type == FileType.directory
      if (try? child.remove(name: name, directory: isDirectory)) != nil { removed = true }
    }
    return removed
  }
}

extension FileName {
  /// - Parameter entry: ends in a NUL.
  init(_ entry: Span<UInt8>) {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(entry.count)
    for index in 0..<entry.count - 1 { bytes.append(entry[index]) }
    self.init(bytes: bytes)
  }
}
