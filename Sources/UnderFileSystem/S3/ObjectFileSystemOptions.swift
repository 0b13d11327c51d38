/// How a volume on an object store is shown.
package struct ObjectFileSystemOptions: Sendable, Hashable {
  /// Nanoseconds for which names, and that there is none, are believed.
  package var entryTimeout: UInt64 = 1_000_000_000
  /// Nanoseconds for which attributes are believed.
  package var attributeTimeout: UInt64 = 1_000_000_000
  /// Names that are remembered, some 200 bytes each.
  package var entryLimit = 65_536
  /// Time of all directories, in nanoseconds since 1970: that of the mount, the same for all its workers.
  package var directoryTime: Int64

  /// The store keeps to `If-None-Match`; where that is not known, a new file costs one more request.
  package var trustsConditions = false
  /// Larger objects are copied in parts: S3's limit of one copy.
  package var largestCopy: Int64 = 5 << 30
  /// Of such a copy, in bytes: 5 TiB take 5120 of them.
  package var copyPartSize: Int64 = 1 << 30

  package init(directoryTime: Int64) { self.directoryTime = directoryTime }
}
