internal import LinuxSystem
internal import VolumeModel

/// A FUSE mount that is answered for: what it takes to start any number of workers on it, one after the other.
struct VolumeMount: Sendable {
  var mountPoint: String
  /// Minor device number.
  var connection: UInt32
  /// The FUSE_INIT request, reduced to what was granted.
  var fuseInit: [UInt8]
  var granted: FuseInitFlags
  var fuseDevice: SharedDescriptor
  var sharedState: SharedDescriptor
  /// Of a `file://` UFS.
  var underFileSystemRoot: SharedDescriptor?
  /// Of a volume on an object store.
  var pageFolder: SharedDescriptor?
  /// The same, where its pages lie together with those of other volumes.
  var sharedPages: SharedDescriptor?
  /// The same: what its worker may keep on disk, and keeps (PageStore's `CacheAccount`). Who keeps copies may say how much.
  var cacheAccount: SharedDescriptor?
}

extension FuseInitRequest {
  /// The request as if the kernel had offered only `granted`: what a worker replays into libfuse.
  func reduced(to granted: FuseInitFlags) -> [UInt8] {
    var reduced = bytes
    func put(_ value: UInt32, at offset: Int) {
      for index in 0..<4 { reduced[offset + index] = UInt8(truncatingIfNeeded: value.littleEndian >> (8 * index)) }
    }
    // fuse_in_header (40 bytes), then major, minor, max_readahead, flags, flags2.
    put(UInt32(truncatingIfNeeded: granted.rawValue), at: 52)
    if bytes.count >= 60 { put(UInt32(truncatingIfNeeded: granted.rawValue >> 32), at: 56) }
    return reduced
  }
}
