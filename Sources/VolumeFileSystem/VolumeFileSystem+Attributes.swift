package import SystemPackage
package import UnderFileSystem

/// FUSE operations on attributes, and on the volume as a whole.
extension VolumeFileSystem {
  /// FUSE_GETATTR.
  package func getAttributes(of node: NodeID, handle: HandleID? = nil) throws(Errno) -> AttributeReply {
    try reply(try attributes(of: node), of: node)
  }

  /// As the under file system has them, from whatever is open.
  func attributes(of node: NodeID) throws(Errno) -> Attributes {
    if node == NodeTable.root { return try root.attributes() }
    if let attributes = try cache.attributes(node) { return attributes }
    return try reference(node).attributes()
  }

  /// FUSE_SETATTR.
  package func setAttributes(
    _ change: AttributeChange, of node: NodeID, handle: HandleID? = nil, caller: Caller
  ) throws(Errno) -> AttributeReply {
    try presentation.checkWritable()
    var change = try presentation.stored(change)
    // ftruncate(2): the file may be one that only its descriptor leads to.
    // The kernel names no handle for O_TRUNC; the content of an object is replaced when it is closed, not before.
    if change.size != nil { try passthrough.inTurn(node) { () throws(Errno) in try checkUnread(node) } }
    let isOpen = handle?.access == .readWrite || (underFileSystem.wantsCloses && hasWriters(node))
    if let size = change.size, isOpen {
      let file = try file(node, .readWrite)
      try file.truncate(to: size)
      if change.killPrivileges { try clearSetIDBits(of: file, caller: caller, isDemanded: true) }
      change.size = nil
      change.killPrivileges = false
      if change == AttributeChange() { return try reply(try file.attributes(), of: node) }
    }
    return try reply(try reference(node).setAttributes(change, caller: caller), of: node)
  }

  func hasWriters(_ node: NodeID) -> Bool {
    (try? table.slot(node).load32(NodeSlot.writers) > 0) ?? false
  }

  /// FUSE_STATFS. No more than the volume's capacity is shown; what is written is limited by the under file system alone.
  package func statistics() throws(Errno) -> FileSystemStatistics {
    presentation.shown(try underFileSystem.statistics())
  }
}

// MARK: - Extended attributes

extension VolumeFileSystem {
  /// FUSE_GETXATTR; the caller compares sizes and answers ERANGE itself. - Throws: ENODATA, EOPNOTSUPP.
  package func extendedAttribute(_ name: FileName, of node: NodeID) throws(Errno) -> [UInt8] {
    if presentation.hidesACLs, name.isACL { throw .noACL }
    if name == Self.cachedBytesAttribute, let value = try cachedBytes(of: node) { return value }
    return try reference(node).extendedAttribute(name)
  }

  /// FUSE_SETXATTR. - Parameter flags: XATTR_CREATE, XATTR_REPLACE.
  package func setExtendedAttribute(
    _ name: FileName, of node: NodeID, to value: [UInt8], flags: ExtendedAttributeFlags, caller: Caller,
    request: RequestID
  ) throws(Errno) {
    if presentation.hidesACLs, name.isACL { throw .noACLs }
    try once(.setExtendedAttribute, request, at: node) { () throws(Errno) in
      // Without flags a value may be set twice.
      if flags.isEmpty { return nil }
      let isPresent = (try? reference(node).extendedAttribute(name)) != nil
      // Afterwards nobody could tell whose value it is.
      if isPresent, flags.contains(.create) { throw .attributeExists }
      if !isPresent, flags.contains(.replace) { return nil }
      return Intent()
    } wasApplied: { _ throws(Errno) in
      (try? reference(node).extendedAttribute(name)) == value
    } apply: { _ throws(Errno) in
      try reference(node).setExtendedAttribute(name, to: value, flags: flags, caller: caller)
    }
  }

  /// FUSE_LISTXATTR: names, each followed by a NUL.
  package func extendedAttributeNames(of node: NodeID) throws(Errno) -> [UInt8] {
    let names = try reference(node).extendedAttributeNames()
    guard presentation.hidesACLs else { return names }
    return names.split(separator: 0).filter { !FileName(bytes: $0).isACL }.flatMap { $0 + [0] }
  }

  /// FUSE_REMOVEXATTR.
  package func removeExtendedAttribute(
    _ name: FileName, of node: NodeID, caller: Caller, request: RequestID
  ) throws(Errno) {
    if presentation.hidesACLs, name.isACL { throw .noACLs }
    try once(.removeExtendedAttribute, request, at: node) { () throws(Errno) in
      (try? reference(node).extendedAttribute(name)).map { Intent(digest: Self.digest($0)) }
    } wasApplied: { intent throws(Errno) in
      guard let value = try? reference(node).extendedAttribute(name) else { return true }
      return Self.digest(value) != intent.digest
    } apply: { _ throws(Errno) in
      try reference(node).removeExtendedAttribute(name, caller: caller)
    }
  }

  /// FNV-1a, the same in every process.
  private static func digest(_ value: [UInt8]) -> UInt64 {
    value.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01b3 }
  }
}

extension FileName {
  /// `system.posix_acl_access` or `system.posix_acl_default`.
  fileprivate var isACL: Bool { bytes.starts(with: "system.posix_acl_".utf8) }
}
