package import SystemPackage
package import UnderFileSystem

/// FUSE operations on names in directories.
extension VolumeFileSystem {
  /// FUSE_LOOKUP. - Throws: ENOENT, ENOTDIR, ESTALE.
  package func lookup(_ name: FileName, in parent: NodeID) throws(Errno) -> Entry {
    let found = try reference(parent).lookup(name)
    let key = try key(found.node.identity, parent: parent, name: name, inode: found.attributes.inode)
    return try entry(key, reference: found.node, attributes: found.attributes)
  }

  /// FUSE_FORGET and each part of FUSE_BATCH_FORGET. Never fails, never blocks long.
  package func forget(_ node: NodeID, _ count: UInt64) {
    guard table.forget(node, count) else { return }
    // What is open must be gone before the number can stand for another node.
    cache.drop(node)
    streams.drop(node)
    table.recycle(node)
  }

  /// FUSE_READLINK: the target's bytes without NUL.
  package func readLink(_ node: NodeID) throws(Errno) -> [UInt8] { try reference(node).readLink() }

  /// FUSE_MKNOD; `mode` carries the type. Regular files as well.
  package func makeNode(
    _ name: FileName, in parent: NodeID, mode: UInt32, device: UInt64, caller: Caller
  ) throws(Errno) -> Entry {
    let isFile = mode & FileType.mask == FileType.regular || mode & FileType.mask == 0
    return try make(
      isFile ? .file(mode: mode & 0o7777) : .special(mode: mode, device: device), name, in: parent, caller: caller)
  }

  /// FUSE_MKDIR.
  package func makeDirectory(
    _ name: FileName, in parent: NodeID, mode: UInt32, caller: Caller
  ) throws(Errno) -> Entry {
    try make(.directory(mode: mode & 0o7777), name, in: parent, caller: caller)
  }

  /// FUSE_SYMLINK.
  package func makeSymlink(
    _ name: FileName, in parent: NodeID, target: [UInt8], caller: Caller
  ) throws(Errno) -> Entry {
    try make(.symlink(target: target), name, in: parent, caller: caller)
  }

  private func make(
    _ object: NewObject, _ name: FileName, in parent: NodeID, caller: Caller
  ) throws(Errno) -> Entry {
    let created = try place(object, name, in: parent, caller: caller)
    let key = try key(created.identity, parent: parent, name: name, inode: created.attributes.inode)
    return try entry(key, reference: created.node, attributes: created.attributes)
  }

  /// Makes an object and gives it its name: two steps, between which the object is noted where it has a hidden name.
  func place(
    _ object: NewObject, _ name: FileName, in parent: NodeID, caller: Caller
  ) throws(Errno) -> CreatedNode {
    try presentation.checkWritable()
    guard table.hasRoom else { throw .tooManyNodes }
    let directory = try reference(parent)
    let isUnnamed = if case .file = object { underFileSystem.preparesFilesUnnamed } else { false }
    let token = pending.makeToken()
    let note = isUnnamed ? nil : pending.begin(parent: parent, token: token)
    defer { if let note { pending.end(note) } }
    let creator = presentation.creator(caller)
    return try directory.prepare(object, named: name, token: token, for: creator).place()
  }

  /// FUSE_LINK.
  package func link(
    _ node: NodeID, as name: FileName, in parent: NodeID, caller: Caller
  ) throws(Errno) -> Entry {
    try presentation.checkWritable()
    let target = try reference(node)
    try reference(parent).link(target, named: name, caller: caller)
    let attributes = try target.attributes()
    let key = try key(target.identity, parent: parent, name: name, inode: attributes.inode)
    return try entry(key, reference: target.identity == nil ? nil : target, attributes: attributes)
  }
}

// MARK: - Removing and renaming

extension VolumeFileSystem {
  /// FUSE_UNLINK.
  package func unlink(_ name: FileName, in parent: NodeID, caller: Caller) throws(Errno) {
    try remove(name, in: parent, directory: false, caller: caller)
  }

  /// FUSE_RMDIR.
  package func removeDirectory(_ name: FileName, in parent: NodeID, caller: Caller) throws(Errno) {
    try remove(name, in: parent, directory: true, caller: caller)
  }

  private func remove(_ name: FileName, in parent: NodeID, directory: Bool, caller: Caller) throws(Errno) {
    try presentation.checkWritable()
    let container = try reference(parent)
    try cache.removing { (mustPin) throws(Errno) in
      if (mustPin || table.hasNamedNodes) && !directory { pinOpenFile(name, in: container, parent: parent) }
      try container.remove(name, directory: directory, caller: caller)
    }
    if table.hasNamedNodes { table.detach(try named(name, in: parent)) }
  }

  /// FUSE_RENAME and FUSE_RENAME2.
  package func rename(
    _ name: FileName, in parent: NodeID, to newName: FileName, in newParent: NodeID, flags: RenameFlags,
    caller: Caller
  ) throws(Errno) {
    try presentation.checkWritable()
    let source = try reference(parent)
    let target = try reference(newParent)
    try cache.removing { (mustPin) throws(Errno) in
      if mustPin || table.hasNamedNodes { pinOpenFile(newName, in: target, parent: newParent) }
      try source.rename(name, to: target, named: newName, flags: flags, caller: caller)
    }
    if table.hasNamedNodes {
      try renameNodes(name, in: parent, source: source, to: newName, in: newParent, exchange: flags.contains(.exchange))
    }
  }

  /// Follows a rename with the nodes that are known by name.
  private func renameNodes(
    _ name: FileName, in parent: NodeID, source: any UnderNode, to newName: FileName, in newParent: NodeID,
    exchange: Bool
  ) throws(Errno) {
    let old = try named(name, in: parent)
    let new = try named(newName, in: newParent)
    // rename(2) between two names of one file does nothing.
    if !exchange, (try? source.lookup(name)) != nil { return }
    let moved = table.find(old)
    let replaced = table.find(new)
    table.detach(old)
    table.detach(new)
    if let moved { table.attach(moved, as: new) }
    if exchange, let replaced { table.attach(replaced, as: old) }
  }

  private func named(_ name: FileName, in parent: NodeID) throws(Errno) -> NodeKey {
    .named(parent: parent, parentGeneration: try table.generation(of: parent), name: name, inode: 0)
  }

  /// A file that is open and whose descriptor was closed for room must be open while its name goes.
  private func pinOpenFile(_ name: FileName, in container: any UnderNode, parent: NodeID) {
    guard let found = try? container.lookup(name), found.attributes.isRegular,
      let key = try? key(found.node.identity, parent: parent, name: name, inode: found.attributes.inode),
      let node = table.find(key), let slot = try? table.slot(node), slot.load32(NodeSlot.opens) > 0
    else { return }
    let access: FileAccess = slot.load32(NodeSlot.writers) > 0 ? .readWrite : .read
    if (try? file(node, access)) != nil { cache.pin(node) }
  }
}
