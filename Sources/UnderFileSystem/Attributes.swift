/// The attributes of a file as stat(2) gives them. Times are nanoseconds since the epoch, sizes are bytes.
package struct Attributes: Sendable, Hashable {
  /// Unique within the under file system; reused after the object is gone.
  package var inode: UInt64
  /// Type and permission bits, `st_mode`.
  package var mode: UInt32
  package var linkCount: UInt32
  package var uid: UInt32
  package var gid: UInt32
  package var device: UInt64
  package var size: Int64
  /// Preferred I/O size in bytes.
  package var blockSize: Int32
  /// Allocated blocks of 512 bytes.
  package var blocks: Int64
  package var accessTime: Int64
  package var modificationTime: Int64
  package var changeTime: Int64

  package init(
    inode: UInt64, mode: UInt32, linkCount: UInt32, uid: UInt32, gid: UInt32, device: UInt64 = 0, size: Int64,
    blockSize: Int32 = 4096, blocks: Int64, accessTime: Int64, modificationTime: Int64, changeTime: Int64
  ) {
    self.inode = inode
    self.mode = mode
    self.linkCount = linkCount
    self.uid = uid
    self.gid = gid
    self.device = device
    self.size = size
    self.blockSize = blockSize
    self.blocks = blocks
    self.accessTime = accessTime
    self.modificationTime = modificationTime
    self.changeTime = changeTime
  }
}
