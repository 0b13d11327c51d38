import Synchronization
package import SystemPackage

/// A UFS without a disk, for tests: the same errors, orders and effects as Local, as the conformance suite shows. It has no
/// ACLs and checks no permissions (behind the kernel there is nothing left to check), and its clock ticks by itself.
package final class InMemoryFileSystem: UnderFileSystem {
  let tree = Mutex(InMemoryTree())

  package init() {}

  package var preparesFilesUnnamed: Bool { true }
  package var root: any UnderNode { InMemoryNode(self, 1) }

  package func node(_ identity: NodeIdentity) throws(Errno) -> any UnderNode {
    guard identity.kind == Self.identityKind, identity.length == 8 else { throw .staleNFSFileHandle }
    let inode = identity.words[0]
    guard let attributes = try? tree.withLock({ (tree) throws(Errno) in try tree.attributes(inode) }),
      attributes.linkCount > 0
    else { throw .staleNFSFileHandle }
    return InMemoryNode(self, inode)
  }

  package func statistics() throws(Errno) -> FileSystemStatistics {
    FileSystemStatistics(
      blockSize: 4096, fragmentSize: 4096, blocks: 1 << 20, freeBlocks: 1 << 19, availableBlocks: 1 << 19,
      files: 1 << 20, freeFiles: 1 << 19, maximumNameLength: 255)
  }

  static let identityKind: Int32 = 1

  static func identity(_ inode: UInt64) -> NodeIdentity {
    var words = InlineArray<16, UInt64>(repeating: 0)
    words[0] = inode
    return NodeIdentity(kind: identityKind, length: 8, words: words)
  }
}
