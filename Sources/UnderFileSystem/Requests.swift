/// What a directory holds under a name.
package struct FoundNode: Sendable {
  /// The object, and its attributes at that moment.
  package let node: any UnderNode
  package let attributes: Attributes

  package init(node: any UnderNode, attributes: Attributes) {
    self.node = node
    self.attributes = attributes
  }

  /// Tells the object from others that have its name in turn, where it has no identity.
  package var stamp: UInt64 { node.versionStamp ?? attributes.inode }
}

/// A new object that has its name: a regular file comes open for reading and writing, anything else as a node.
package struct CreatedNode: Sendable {
  /// What the intent journal records of the object; nil where the file system gives no handles.
  package let identity: NodeIdentity?
  /// As `UnderNode.versionStamp`.
  package let versionStamp: UInt64?
  package let attributes: Attributes
  package let node: (any UnderNode)?
  package let file: (any OpenFile)?

  package init(
    identity: NodeIdentity?, versionStamp: UInt64? = nil, attributes: Attributes, node: (any UnderNode)?,
    file: (any OpenFile)?
  ) {
    self.identity = identity
    self.versionStamp = versionStamp
    self.attributes = attributes
    self.node = node
    self.file = file
  }
}

/// How an open file may be used. Readers never hold a file open for writing, or it could not be executed elsewhere (ETXTBSY).
package enum FileAccess: Sendable, Hashable {
  case read
  case readWrite
}

/// O_SYNC and O_DSYNC of the handle that writes.
package enum WriteDurability: Sendable, Hashable {
  case none
  case data
  case full
}

/// What to create, with permission bits as the caller gave them, before umask and default ACLs.
package enum NewObject: Sendable, Hashable {
  case file(mode: UInt32)
  case directory(mode: UInt32)
  case symlink(target: [UInt8])
  /// A pipe, socket or device: `mode` with its type bits.
  case special(mode: UInt32, device: UInt64)
}

/// Whose the new object is.
package struct Creator: Sendable, Hashable {
  /// Who makes it, and so owns it.
  package var caller: Caller
  /// Owner forced by the volume's options; the object is then made with the worker's own rights.
  package var uid: UInt32?
  package var gid: UInt32?

  package init(caller: Caller, uid: UInt32? = nil, gid: UInt32? = nil) {
    self.caller = caller
    self.uid = uid
    self.gid = gid
  }
}

/// Flags of renameat2(2).
package struct RenameFlags: OptionSet, Sendable, Hashable {
  package let rawValue: UInt32
  package init(rawValue: UInt32) { self.rawValue = rawValue }
  /// Flags of renameat2(2).
  package static let noReplace = RenameFlags(rawValue: 1)
  package static let exchange = RenameFlags(rawValue: 2)
  package static let whiteout = RenameFlags(rawValue: 4)
}

/// Flags of setxattr(2).
package struct ExtendedAttributeFlags: OptionSet, Sendable, Hashable {
  package let rawValue: Int32
  package init(rawValue: Int32) { self.rawValue = rawValue }
  /// Flags of setxattr(2): the attribute must not exist, or must.
  package static let create = ExtendedAttributeFlags(rawValue: 1)
  package static let replace = ExtendedAttributeFlags(rawValue: 2)
}

/// A new time: nanoseconds since the epoch, or the time at which the change is made.
package enum TimeChange: Sendable, Hashable {
  case now
  case at(Int64)
}

/// What setattr changes; nil leaves a field as it is.
package struct AttributeChange: Sendable, Hashable {
  /// Permission bits, 07777.
  package var mode: UInt32?
  package var uid: UInt32?
  package var gid: UInt32?
  package var size: Int64?
  package var accessTime: TimeChange?
  package var modificationTime: TimeChange?
  /// Clear setuid and setgid as FATTR_KILL_SUIDGID demands of a truncation.
  package var killPrivileges = false

  package init() {}
}

/// Fields of statfs(2), in units of `fragmentSize` bytes.
package struct FileSystemStatistics: Sendable, Hashable {
  /// As in statvfs(3): sizes in bytes, blocks in units of `fragmentSize`.
  package var blockSize: UInt64
  package var fragmentSize: UInt64
  package var blocks: UInt64
  package var freeBlocks: UInt64
  package var availableBlocks: UInt64
  package var files: UInt64
  package var freeFiles: UInt64
  package var maximumNameLength: UInt64

  package init(
    blockSize: UInt64, fragmentSize: UInt64, blocks: UInt64, freeBlocks: UInt64, availableBlocks: UInt64,
    files: UInt64, freeFiles: UInt64, maximumNameLength: UInt64
  ) {
    self.blockSize = blockSize
    self.fragmentSize = fragmentSize
    self.blocks = blocks
    self.freeBlocks = freeBlocks
    self.availableBlocks = availableBlocks
    self.files = files
    self.freeFiles = freeFiles
    self.maximumNameLength = maximumNameLength
  }
}

/// What sort of file st_mode stands for, S_IFMT.
package enum FileType {
  /// S_IFMT and the types of inode(7).
  package static let mask: UInt32 = 0o170000
  package static let regular: UInt32 = 0o100000
  package static let directory: UInt32 = 0o040000
  package static let symlink: UInt32 = 0o120000
}

extension Attributes {
  /// The type bits of the mode.
  package var type: UInt32 { mode & FileType.mask }
  package var isDirectory: Bool { type == FileType.directory }
  package var isRegular: Bool { type == FileType.regular }
}
