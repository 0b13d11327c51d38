package import SystemPackage
import UnderFileSystem

/// FUSE operations on open directories.
extension VolumeFileSystem {
  /// FUSE_OPENDIR. - Throws: ESTALE when the directory is gone.
  package func openDirectory(_ node: NodeID, flags: Int32) throws(Errno) -> OpenReply {
    _ = try reference(node)
    return OpenReply(handle: HandleID(openFlags: flags), keepCache: false)
  }

  /// FUSE_READDIR. Cookies are those of the under file system and stay valid while the directory exists.
  /// - Parameters:
  ///   - cookie: 0 or the cookie of the last entry that was taken.
  ///   - body: gets name with its NUL, inode number, DT_* type and the entry's cookie; false ends without taking the entry.
  package func readDirectory(
    _ node: NodeID, handle: HandleID, from cookie: UInt64,
    _ body: (_ name: Span<UInt8>, _ inode: UInt64, _ type: UInt8, _ cookie: UInt64) throws(Errno) -> Bool
  ) throws(Errno) {
    let stream =
      if let parked = streams.take(node, at: cookie) { parked } else { try reference(node).list(from: cookie) }
    _ = try stream.forEach(body)
    streams.park(stream, of: node)
  }

  /// FUSE_RELEASEDIR.
  package func releaseDirectory(_ node: NodeID, handle: HandleID) { streams.drop(node) }

  /// FUSE_FSYNCDIR.
  package func synchronizeDirectory(_ node: NodeID, handle: HandleID) throws(Errno) {
    try reference(node).synchronize()
  }
}
