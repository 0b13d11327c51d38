import Synchronization
package import SystemPackage

/// A bucket, or the part of it below a prefix, as a tree of files (`s3://`, `oss://`). What it can and cannot do is in
/// VolumeFileSystem/Semantics.md.
///
/// Nodes have no identity: they are known by parent and name, and by the stamp of their version.
package final class ObjectFileSystem: UnderFileSystem {
  let bucket: any ObjectBucket
  let keys: ObjectKeys
  let tree: ObjectTree
  let positions = ListingPositions()
  let listed = ListedNames()
  let nodes = LiveNodes()
  let refused: RefusedCalls
  let log: any ObjectStoreLog
  let options: ObjectFileSystemOptions
  let spoolFolder: SpoolFolder?
  private let hidden = Atomic<UInt64>(0)
  #if FAULT_INJECTION
    /// Where the tests let this volume's worker die.
    package let crashes = CrashInjection()
  #endif

  /// - Parameters:
  ///   - prefix: of the keys that are shown, with or without the slash at its end; empty: all.
  ///   - spools: where files are kept while they are written; nil: none can be.
  ///   - log: gets what an errno cannot say.
  package init(
    bucket: any ObjectBucket, prefix: some Sequence<UInt8>, options: ObjectFileSystemOptions,
    spools: SpoolFolder? = nil, log: any ObjectStoreLog = SilentObjectStoreLog()
  ) {
    spoolFolder = spools
    self.bucket = bucket
    self.options = options
    self.log = log
    keys = ObjectKeys(bucket: bucket.name, prefix: Array(prefix))
    tree = ObjectTree(bucket: bucket, options: options, stamps: spools?.stamps, log: log)
    refused = RefusedCalls(log)
  }

  package var preparesFilesUnnamed: Bool { true }
  package var wantsCloses: Bool { true }
  package func canRename(_ flags: RenameFlags) -> Bool { flags.isEmpty || flags == .noReplace }
  package var root: any UnderNode { ObjectNode(self, keys.root, .directory) }

  /// Takes over timeouts that a republish has changed, in nanoseconds.
  package func update(entryTimeout: UInt64, attributeTimeout: UInt64) {
    tree.update(entryTimeout: entryTimeout, attributeTimeout: attributeTimeout)
  }

  /// Keys and prefixes in listings so far that cannot be names, each as often as it was listed.
  package var hiddenKeyCount: UInt64 { hidden.load(ordering: .relaxed) }

  /// Names that are remembered, for the volume's status.
  package var rememberedNameCount: Int { tree.count }

  func countHidden(_ count: Int) { hidden.wrappingAdd(UInt64(count), ordering: .relaxed) }

  package func node(_ identity: NodeIdentity) throws(Errno) -> any UnderNode { throw .noFileHandles }

  /// One PiB, all of it free: a bucket has no size. The volume's capacity bounds what is shown.
  package func statistics() throws(Errno) -> FileSystemStatistics {
    let blocks: UInt64 = (1 << 50) / 4096
    return FileSystemStatistics(
      blockSize: 4096, fragmentSize: 4096, blocks: blocks, freeBlocks: blocks, availableBlocks: blocks,
      files: 1 << 40, freeFiles: 1 << 40, maximumNameLength: 255)
  }

  // MARK: Attributes

  func attributes(ofDirectory path: NodePath) -> Attributes {
    Attributes(
      inode: keys.inode(path, isDirectory: true), mode: FileType.directory | 0o755, linkCount: 1, uid: 0, gid: 0,
      size: 0, blocks: 0, accessTime: options.directoryTime, modificationTime: options.directoryTime,
      changeTime: options.directoryTime)
  }

  func attributes(ofFile path: NodePath, _ version: ObjectVersion, linkCount: UInt32 = 1) -> Attributes {
    let time = version.lastModified &* 1_000_000_000
    return Attributes(
      inode: keys.inode(path, isDirectory: false), mode: FileType.regular | 0o644, linkCount: linkCount, uid: 0,
      gid: 0, size: version.size, blocks: version.size / 512 + (version.size % 512 == 0 ? 0 : 1), accessTime: time,
      modificationTime: time, changeTime: time)
  }
}
