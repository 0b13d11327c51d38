import SystemPackage
import UnderFileSystem

extension VolumeFileSystem {
  /// What the under file system opened, as it is used here: the one place where files that come over a network are told
  /// from others.
  func adopted(_ file: any OpenFile) throws(Errno) -> any OpenFile {
    guard let ranged = file.ranged else { return file }
    return try reading.cached(ranged)
  }

  /// A file's first read: see ``FilesAhead``. Asks nobody what the file and its directory are.
  func askAhead(of node: NodeID, _ file: CachingFile) {
    guard case .named(let parent, let generation, let name, _) = (try? table.slot(node))?.fileKey,
      (try? table.generation(of: parent)) == generation,
      let directory = parent == NodeTable.root ? root : cache.reference(parent)
    else { return }
    file.askAhead(name, in: parent, directory)
  }

  /// `user.alluxio.cached`: bytes of the file that the node's page store has, in decimal digits.
  static let cachedBytesAttribute: FileName = "user.alluxio.cached"

  /// - Returns: the attribute's value; nil where files are not kept in a page store, or this one is being written.
  func cachedBytes(of node: NodeID) throws(Errno) -> [UInt8]? {
    guard reading.hasCache, node != NodeTable.root,
      try attributes(of: node).mode & FileType.mask == FileType.regular,
      let file = try file(node, .read) as? CachingFile, let bytes = file.cachedBytes
    else { return nil }
    return Array(String(bytes).utf8)
  }

  /// What reads of files that come over a network did so far.
  package var readStatistics: ReadStatistics { reading.statistics }

  /// Requests to the under file system are signed by other credentials from now on: what the ones before were allowed to
  /// read is not theirs yet.
  package func credentialsChanged() { reading.credentialsChanged() }

  /// The worker ends: reads that wait for the network end with `Errno.leftToNextWorker`, now and from now on, and what is on
  /// its way is cancelled. Reads of what is here are served.
  package func endReads() { reading.end() }
}
