package import SystemPackage
package import UnderFileSystem

/// FUSE operations on names in directories.
extension VolumeFileSystem {
  /// FUSE_LOOKUP. - Throws: ENOENT, ENOTDIR, ESTALE.
  package func lookup(_ name: FileName, in parent: NodeID) throws(Errno) -> Entry {
    let found = try reference(parent).lookup(name)
    let key = try key(of: found.node, found.attributes, parent: parent, name: name)
    return try entry(key, reference: found.node, attributes: found.attributes)
  }

  /// FUSE_FORGET and each part of FUSE_BATCH_FORGET. Never fails, never blocks long.
  package func forget(_ node: NodeID, _ count: UInt64) {
    guard let forgotten = table.forget(node, count) else { return }
    // What is open must be gone before the number can stand for another node.
    passthrough.closed(node, forgotten.slot)
    nameless.forgotten(node)
    cache.drop(node)
    streams.drop(node)
    table.recycle(forgotten)
  }

  /// FUSE_READLINK: the target's bytes without NUL.
  package func readLink(_ node: NodeID) throws(Errno) -> [UInt8] { try reference(node).readLink() }

  /// FUSE_MKNOD; `mode` carries the type. Regular files as well.
  package func makeNode(
    _ name: FileName, in parent: NodeID, mode: UInt32, device: UInt64, caller: Caller, request: RequestID
  ) throws(Errno) -> Entry {
    let isFile = mode & FileType.mask == FileType.regular || mode & FileType.mask == 0
    return try make(
      isFile ? .file(mode: mode & 0o7777) : .special(mode: mode, device: device), name, in: parent, caller: caller,
      request: request)
  }

  /// FUSE_MKDIR.
  package func makeDirectory(
    _ name: FileName, in parent: NodeID, mode: UInt32, caller: Caller, request: RequestID
  ) throws(Errno) -> Entry {
    try make(.directory(mode: mode & 0o7777), name, in: parent, caller: caller, request: request)
  }

  /// FUSE_SYMLINK.
  package func makeSymlink(
    _ name: FileName, in parent: NodeID, target: [UInt8], caller: Caller, request: RequestID
  ) throws(Errno) -> Entry {
    try make(.symlink(target: target), name, in: parent, caller: caller, request: request)
  }

  /// FUSE_LINK.
  package func link(
    _ node: NodeID, as name: FileName, in parent: NodeID, caller: Caller, request: RequestID
  ) throws(Errno) -> Entry {
    let left = journal.claim(request, .link, at: parent)
    if let left, let outcome = left.outcome { return try recordedAnswer(left, outcome) }
    let target = try reference(node)
    let directory = try reference(parent)
    if let left, let found = try find(left.intent, as: name, in: directory) {
      return try answer(target, found.attributes, as: name, in: parent, left)
    }
    try presentation.checkWritable()
    // Afterwards nobody could tell whose link it is.
    if (try? directory.fingerprint(of: name)) != nil { throw .nameTaken }
    try reach(.beforeIntent)
    let entry = journal.begin(request, .link, at: parent, Intent(first: try? target.fingerprint()))
    try reach(.afterIntent)
    do throws(Errno) { try directory.link(target, named: name, caller: caller) } catch {
      entry?.finish(error)
      try reach(.afterDone)
      throw error
    }
    try reach(.afterApply)
    return try answer(target, try target.attributes(), as: name, in: parent, entry)
  }

  private func answer(
    _ target: any UnderNode, _ attributes: Attributes, as name: FileName, in parent: NodeID, _ entry: JournalEntry?
  ) throws(Errno) -> Entry {
    let key = try key(of: target, attributes, parent: parent, name: name)
    return try answer(key, target.identity == nil ? nil : target, attributes, in: entry)
  }
}

// MARK: - Making

extension VolumeFileSystem {
  /// Makes an object and gives it its name: two steps, between which its identity is recorded, and the object is noted where
  /// it has a hidden name.
  /// - Parameter handle: of a file that is to be open.
  func make(
    _ object: NewObject, _ name: FileName, in parent: NodeID, opening handle: HandleID? = nil, caller: Caller,
    request: RequestID
  ) throws(Errno) -> Entry {
    if let left = journal.claim(request, .make, at: parent) {
      if let outcome = left.outcome { return try recordedAnswer(left, outcome) }
      if let found = try find(left.intent, as: name, in: try reference(parent)) {
        if handle == nil, found.attributes.isRegular { try closeUnopened(name, in: parent, left) }
        let key = try key(of: found.node, found.attributes, parent: parent, name: name)
        return try answer(key, found.node, found.attributes, opening: handle, isResumed: true, in: left)
      }
    }
    try presentation.checkWritable()
    guard table.hasRoom else { throw .tooManyNodes }
    let directory = try reference(parent)
    let isUnnamed = if case .file = object { underFileSystem.preparesFilesUnnamed } else { false }
    let token = pending.makeToken()
    let note = isUnnamed ? nil : pending.begin(parent: parent, token: token)
    defer { if let note { pending.end(note) } }
    let prepared = try directory.prepare(object, named: name, token: token, for: presentation.creator(caller))
    try reach(.beforeIntent)
    let entry = journal.begin(request, .make, at: parent, Intent(first: try? prepared.fingerprint()))
    try reach(.afterIntent)
    return try place(prepared, name, in: parent, opening: handle, entry)
  }

  private func place(
    _ prepared: any PreparedNode, _ name: FileName, in parent: NodeID, opening handle: HandleID?,
    _ entry: JournalEntry?
  ) throws(Errno) -> Entry {
    let created: CreatedNode
    do throws(Errno) { created = try prepared.place() } catch {
      entry?.finish(error)
      try reach(.afterDone)
      throw error
    }
    if handle == nil, created.file != nil { try closeUnopened(name, in: parent, entry) }
    try reach(.afterApply)
    let key = try key(
      created.identity, parent: parent, name: name, stamp: created.versionStamp ?? created.attributes.inode)
    let answer = try answer(key, created.node, created.attributes, opening: handle, in: entry)
    if handle != nil, let file = created.file { _ = cache.insert(file, for: answer.node) }
    return answer
  }

  /// A file that is made and not opened is closed by nobody else. May be done again.
  private func closeUnopened(_ name: FileName, in parent: NodeID, _ entry: JournalEntry?) throws(Errno) {
    guard underFileSystem.wantsCloses else { return }
    do throws(Errno) {
      let node = try reference(parent).lookup(name).node
      defer { node.lastWriterClosed() }
      try node.open(.readWrite, caller: .nobody).flush()
    } catch {
      entry?.finish(error)
      try reach(.afterDone)
      throw error
    }
  }
}

// MARK: - Removing and renaming

extension VolumeFileSystem {
  /// FUSE_UNLINK.
  package func unlink(_ name: FileName, in parent: NodeID, caller: Caller, request: RequestID) throws(Errno) {
    try remove(name, in: parent, directory: false, caller: caller, request: request)
  }

  /// FUSE_RMDIR.
  package func removeDirectory(
    _ name: FileName, in parent: NodeID, caller: Caller, request: RequestID
  ) throws(Errno) {
    try remove(name, in: parent, directory: true, caller: caller, request: request)
  }

  private func remove(
    _ name: FileName, in parent: NodeID, directory: Bool, caller: Caller, request: RequestID
  ) throws(Errno) {
    try once(directory ? .removeDirectory : .remove, request, at: parent) { () throws(Errno) in
      // Nothing of that name: the removal itself says so.
      (try? reference(parent).fingerprint(of: name)).map { Intent(first: $0) }
    } wasApplied: { intent throws(Errno) in
      try intent.first != present(name, in: try reference(parent))
    } apply: { intent throws(Errno) in
      let container = try reference(parent)
      try cache.removing { (mustPin) throws(Errno) in
        if (mustPin || table.hasNamedNodes) && !directory { pinOpenFile(name, in: container, parent: parent) }
        try removing(victim(intent?.first, name, in: parent), isDirectory: directory) { () throws(Errno) in
          try container.remove(name, directory: directory, caller: caller)
        }
      }
    }
    if table.hasNamedNodes { table.detach(try named(name, in: parent)) }
  }

  /// FUSE_RENAME and FUSE_RENAME2.
  package func rename(
    _ name: FileName, in parent: NodeID, to newName: FileName, in newParent: NodeID, flags: RenameFlags,
    caller: Caller, request: RequestID
  ) throws(Errno) {
    // Never begun, it is not taken for done because somebody else has moved the file.
    guard underFileSystem.canRename(flags) else { throw .unknownRename }
    // A dead worker has begun it, and what has the new name since comes of that.
    var isBegun = false
    try once(.rename, request, at: parent) { () throws(Errno) in
      let source = try reference(parent)
      guard let moved = try? source.fingerprint(of: name) else { return nil }
      let target = try reference(newParent)
      isBegun = isBegun && source.hasBegunRename(name, to: target, named: newName)
      return Intent(first: moved, second: isBegun ? nil : try? target.fingerprint(of: newName))
    } wasApplied: { intent throws(Errno) in
      // What was moved may have been moved on since: it is enough that it is not where it was, nor what it replaced.
      if try present(name, in: try reference(parent)) == intent.first {
        isBegun = intent.second == nil
        return false
      }
      // Two of one fingerprint, as directories of object stores are, cannot be told apart.
      guard let replaced = intent.second, replaced != intent.first else { return true }
      return try present(newName, in: try reference(newParent)) != replaced
    } apply: { intent throws(Errno) in
      let source = try reference(parent)
      let target = try reference(newParent)
      try cache.removing { (mustPin) throws(Errno) in
        if mustPin || table.hasNamedNodes { pinOpenFile(newName, in: target, parent: newParent) }
        // With flags nothing loses its name.
        let replaced = flags.isEmpty ? victim(intent?.second, newName, in: newParent) : nil
        let flags = isBegun ? flags.subtracting(.noReplace) : flags
        try removing(replaced, isDirectory: nil) { () throws(Errno) in
          try source.rename(name, to: target, named: newName, flags: flags, caller: caller)
        }
      }
    }
    if table.hasNamedNodes {
      try renameNodes(name, in: parent, to: newName, in: newParent, exchange: flags.contains(.exchange))
    }
  }

  /// Follows a rename with the nodes that are known by name.
  private func renameNodes(
    _ name: FileName, in parent: NodeID, to newName: FileName, in newParent: NodeID, exchange: Bool
  ) throws(Errno) {
    let old = try named(name, in: parent)
    let new = try named(newName, in: newParent)
    // rename(2) between two names of one file does nothing.
    if !exchange, (try? reference(parent).lookup(name)) != nil { return }
    // A worker that died has done it already. Directories of object stores are told by their names alone: what the old name
    // stands for has not moved then.
    if table.find(old) == nil, let node = table.find(new), let found = try? reference(newParent).lookup(newName),
      try table.slot(node).load64(NodeSlot.inode) == found.stamp
    {
      return
    }
    let moved = table.find(old)
    let replaced = table.find(new)
    table.detach(old)
    table.detach(new)
    if let moved { table.attach(moved, as: new) }
    if exchange, let replaced { table.attach(replaced, as: old) }
  }

  func named(_ name: FileName, in parent: NodeID) throws(Errno) -> NodeKey {
    .named(parent: parent, parentGeneration: try table.generation(of: parent), name: name, inode: 0)
  }

  /// A file that is open and whose descriptor was closed for room must be open while its name goes.
  private func pinOpenFile(_ name: FileName, in container: any UnderNode, parent: NodeID) {
    guard let found = try? container.lookup(name), found.attributes.isRegular,
      let key = try? key(of: found.node, found.attributes, parent: parent, name: name),
      let node = table.find(key), let slot = try? table.slot(node), slot.load32(NodeSlot.opens) > 0
    else { return }
    let access: FileAccess = slot.load32(NodeSlot.writers) > 0 ? .readWrite : .read
    if (try? file(node, access)) != nil { cache.pin(node) }
  }
}
