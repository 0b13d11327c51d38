import LinuxSystem
import Synchronization
import SystemPackage

/// An object without a visible name: an unnamed file, or anything under a hidden temporary name.
final class LocalPreparedNode: PreparedNode {
  let identity: NodeIdentity?
  private let parent: LocalNode
  private let name: FileName
  private let caller: Caller
  /// nil: the object has no name at all.
  private let hidden: [UInt8]?
  private let isDirectory: Bool
  private let file: LocalFile?
  private let node: LocalNode?
  private let isPlaced = Atomic(false)

  /// - Parameter made: open for reading and writing when `object` is a file, O_PATH otherwise.
  init(
    parent: LocalNode, name: FileName, hidden: [UInt8]?, object: NewObject, caller: Caller,
    _ made: consuming Descriptor
  ) throws(Errno) {
    self.parent = parent
    self.name = name
    self.hidden = hidden
    self.caller = caller
    identity = try parent.volume.identity(of: made)
    switch object {
    case .file:
      file = LocalFile(made, access: .readWrite)
      node = nil
      isDirectory = false
    default:
      isDirectory = if case .directory = object { true } else { false }
      node = LocalNode(made, identity: identity, type: nil, volume: parent.volume)
      file = nil
    }
  }

  deinit {
    guard !isPlaced.load(ordering: .relaxed), let hidden else { return }
    try? parent.descriptor.remove(name: hidden, directory: isDirectory)
  }

  func fingerprint() throws(Errno) -> NodeIdentity {
    if let identity { return identity }
    if let node { return try node.fingerprint() }
    guard let file else { throw .madeAndNotSeen }
    return try parent.volume.fingerprint(of: [0], in: file.descriptor)
  }

  func place() throws(Errno) -> CreatedNode {
    try parent.volume.asWorker(orCaller: caller) { () throws(Errno) in
      if let hidden {
        try rename(hidden)
      } else if let file {
        try file.descriptor.link(into: parent.descriptor, name: name.nulTerminated)
      }
    }
    isPlaced.store(true, ordering: .relaxed)
    let attributes = if let file { try file.attributes() } else { try node?.attributes() }
    guard let attributes else { throw .madeAndNotSeen }
    return CreatedNode(identity: identity, attributes: attributes, node: node, file: file)
  }

  private func rename(_ hidden: [UInt8]) throws(Errno) {
    do throws(Errno) {
      try parent.descriptor.rename(
        name: hidden, to: parent.descriptor, name: name.nulTerminated, flags: RenameFlags.noReplace.rawValue)
    } catch {
      // EINVAL: a file system without RENAME_NOREPLACE (NFS, old FUSE).
      guard error == .invalidArgument else { throw error }
      try renameWithoutFlags(hidden)
    }
  }

  /// Links refuse an existing name as well; directories have none, so that a name that appears in between is lost if it is
  /// an empty directory (Semantics.md).
  private func renameWithoutFlags(_ hidden: [UInt8]) throws(Errno) {
    if !isDirectory {
      try parent.descriptor.link(name: hidden, into: parent.descriptor, name: name.nulTerminated)
      return try parent.descriptor.remove(name: hidden, directory: false)
    }
    if (try? parent.descriptor.status(name: name.nulTerminated)) != nil { throw .nameTaken }
    try parent.descriptor.rename(name: hidden, to: parent.descriptor, name: name.nulTerminated, flags: 0)
  }
}
