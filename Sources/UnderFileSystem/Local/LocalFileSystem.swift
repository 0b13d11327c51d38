package import LinuxSystem
import Synchronization
package import SystemPackage

/// A directory of this machine as UFS (`file://`): all of POSIX, through calls relative to open descriptors.
///
/// Nodes are identified by file handles. Where the file system has none (overlayfs, most FUSE file systems) or the process
/// lacks CAP_DAC_READ_SEARCH, and for what lies on another mount inside the directory, they are known by parent and name.
package final class LocalFileSystem: UnderFileSystem {
  private let volume: LocalVolume
  package let root: any UnderNode

  /// - Parameters:
  ///   - root: the open directory, O_RDONLY|O_DIRECTORY and not O_PATH. Nothing outside it is ever reached by a name.
  ///   - useHandles: false makes nodes known by parent and name even where file handles work (for tests).
  /// - Throws: ENOTDIR when `root` is no directory.
  package init(root directory: consuming Descriptor, useHandles: Bool = true) throws(Errno) {
    guard try directory.status().type == FileType.directory else { throw .rootIsNoDirectory }
    let path = try directory.open(name: [0x2E, 0], OpenFlags.path)
    volume = LocalVolume(root: directory, useHandles: useHandles)
    root = try LocalNode(path, volume: volume)
  }

  package var preparesFilesUnnamed: Bool { volume.hasUnnamedFiles.load(ordering: .relaxed) }

  package var lendsFiles: Bool { volume.lendsFiles }

  /// Whether nodes are identified by file handles.
  package var usesHandles: Bool { volume.usesHandles }

  package func node(_ identity: NodeIdentity) throws(Errno) -> any UnderNode {
    guard volume.usesHandles else { throw .noFileHandles }
    let handle = FileHandle(type: identity.kind, length: identity.length, words: identity.words)
    return LocalNode(
      try volume.root.open(handle, OpenFlags.path), identity: identity, type: nil, volume: volume)
  }

  package func statistics() throws(Errno) -> FileSystemStatistics {
    let status = try volume.root.fileSystemStatus()
    return FileSystemStatistics(
      blockSize: status.blockSize, fragmentSize: status.fragmentSize, blocks: status.blocks,
      freeBlocks: status.freeBlocks, availableBlocks: status.availableBlocks, files: status.files,
      freeFiles: status.freeFiles, maximumNameLength: status.maximumNameLength)
  }
}

extension Attributes {
  init(_ status: FileStatus) {
    self.init(
      inode: status.inode, mode: status.mode, linkCount: status.linkCount, uid: status.uid, gid: status.gid,
      device: status.specialDevice, size: status.size, blockSize: status.blockSize, blocks: status.blocks,
      accessTime: status.accessTime, modificationTime: status.modificationTime, changeTime: status.changeTime)
  }
}
