package import VolumeModel

/// What the flags of `alluxio-csi` say to the node service.
package struct NodeConfiguration: Sendable, Hashable {
  /// `--nodeid`, at most 192 bytes (CSI "NodeGetInfo").
  package var nodeID: String
  package var paths: NodePaths
  /// Directories beneath which `file://` volumes of administrators may lie.
  package var fileRoots: [String]
  /// The same for inline volumes, which anyone who can make a pod may ask for.
  package var inlineFileRoots: [String]
  /// `--page-store`: beneath it each worker of an object store has a folder of its own user.
  package var pageStore: String
  /// `--page-store-size`, in bytes: what all of these folders may take together; nil: a quarter of their file system.
  package var pageStoreBytes: UInt64?
  /// `--share-pages`: volumes beneath one of these keep their pages together.
  package var sharePages: [UnderFileSystemURI] = []
  /// Volumes published at a time; 0: no limit.
  package var maximumVolumes: Int
  /// For calls that bring no deadline of their own.
  package var defaultPatience: Duration = .seconds(60)
  /// How long cleaning up after a failed call may take, beyond its deadline.
  package var cleanupPatience: Duration = .seconds(10)
  /// How long one attempt to mount a lost volume again may take.
  package var recoveryPatience: Duration = .seconds(60)
  /// How long a volume may take to say how full it is.
  package var statisticsPatience: Duration = .seconds(5)

  package init(
    nodeID: String, paths: NodePaths, fileRoots: [String] = [], inlineFileRoots: [String] = [], maximumVolumes: Int = 0
  ) {
    self.nodeID = nodeID
    self.paths = paths
    self.fileRoots = fileRoots
    self.inlineFileRoots = inlineFileRoots
    pageStore = paths.pageStore
    self.maximumVolumes = maximumVolumes
  }

  /// No volume may keep more than all together. Where the administrator has said so it keeps it with others; an inline volume
  /// never does, since anybody who may make a pod writes those.
  func placing(_ store: ObjectStoreRequest, of path: UnderFileSystemURI, isInline: Bool) -> ObjectStoreRequest {
    var store = store
    store.pageStoreBytes = min(store.pageStoreBytes, pageStoreBytes ?? .max)
    store.sharedPages = isInline ? nil : SharedPages(of: path, on: store, places: sharePages)
    return store
  }
}
