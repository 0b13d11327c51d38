/// What a volume on an object store needs beside its path: the part of ``MountRequest`` that `file://` volumes have not.
package struct ObjectStoreRequest: Sendable, Hashable {
  /// Where the store answers.
  package var properties: ObjectStoreProperties
  /// Whether the node's own credentials (environment, files, instance role) may be used where the volume's secrets hold
  /// none. Never for inline volumes: anybody who may make a pod would use them.
  package var usesNodeCredentials: Bool
  /// Folder of the node's page store, absolute: each worker key has a folder of its own user beneath it.
  package var pageStore: String
  /// Bytes on disk that the volume's pages may take (`pageStoreSize`); 0: nothing is kept.
  package var pageStoreBytes: UInt64
  /// Bytes of one page (`pageSize`): 64 KiB to 16 MiB, a power of two.
  package var pageSize: UInt32 = 1 << 20
  /// Files that are whole in the page store are read by the kernel itself (`cachePassthrough`).
  package var cachePassthrough = false
  /// Where its pages are kept together with those of other volumes; nil: in the worker key's own folder.
  package var sharedPages: SharedPages?

  package init(
    properties: ObjectStoreProperties, usesNodeCredentials: Bool, pageStore: String, pageStoreBytes: UInt64
  ) {
    self.properties = properties
    self.usesNodeCredentials = usesNodeCredentials
    self.pageStore = pageStore
    self.pageStoreBytes = pageStoreBytes
  }
}
