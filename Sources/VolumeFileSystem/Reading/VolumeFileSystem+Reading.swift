import SystemPackage
import UnderFileSystem

extension VolumeFileSystem {
  /// What the under file system opened, as it is used here: the one place where files that come over a network are told
  /// from others.
  func adopted(_ file: any OpenFile) throws(Errno) -> any OpenFile {
    guard let ranged = file.ranged else { return file }
    return try reading.cached(ranged)
  }

  /// What reads of files that come over a network did so far.
  package var readStatistics: ReadStatistics { reading.statistics }

  /// The worker ends: reads that wait for the network end with `Errno.leftToNextWorker`, now and from now on, and what is on
  /// its way is cancelled. Reads of what is here are served.
  package func endReads() { reading.end() }
}
