package import LinuxSystem
package import SystemPackage

extension Errno {
  // Placeholder while calls are filled in.
  static var unfinished: Errno { .noFunction }
}

/// A directory of this machine as UFS (`file://`).
package final class LocalFileSystem: UnderFileSystem {
  private let rootDirectory: SharedDescriptor
  package let root: any UnderNode

  /// - Parameters:
  ///   - root: the open directory, not O_PATH. Nothing outside it is ever reached.
  ///   - useHandles: false makes nodes known by parent and name even where file handles work (for tests).
  package init(root: consuming Descriptor, useHandles: Bool = true) throws(Errno) {
    rootDirectory = SharedDescriptor(root)
    throw .unfinished
  }
  package func node(_ identity: NodeIdentity) throws(Errno) -> any UnderNode { throw .unfinished }
  package func statistics() throws(Errno) -> FileSystemStatistics { throw .unfinished }
}
