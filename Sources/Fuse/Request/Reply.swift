import SystemPackage
import UnderFileSystem
import VolumeFileSystem

/// A successful answer. Which one belongs to which operation is the kernel's protocol.
enum Reply {
  /// Success without data.
  case done
  /// No answer at all: the kernel waits for none (FORGET).
  case none
  case entry(Entry)
  case attributes(AttributeReply)
  case open(NodeID, OpenReply)
  case create(Entry, OpenReply)
  /// Bytes that stand in the request's buffer for answers.
  case buffered(Int)
  /// Bytes that belong to a file until they are sent.
  case lent(LentBytes)
  case bytes([UInt8])
  /// Size of a value or list that was asked for with size 0.
  case size(Int)
  case written(Int)
  case offset(Int64)
  case link([UInt8])
  case statistics(FileSystemStatistics)
}
