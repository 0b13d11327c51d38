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
  case bytes([UInt8])
  /// Size of a value or list that was asked for with size 0.
  case size(Int)
  case written(Int)
  case offset(Int64)
  case link([UInt8])
  case statistics(FileSystemStatistics)
}

extension Errno {
  /// What the kernel is told. ENOSYS is kept from it: the kernel would never again ask for that operation on this mount, and
  /// take fsync, flush and others as done.
  var answer: CInt {
    switch self {
    case .noFunction: Errno.notSupported.rawValue
    // libfuse refuses values that are no errno; 0 would be a success that has no data.
    case let error where error.rawValue <= 0 || error.rawValue >= 1000: Errno.ioError.rawValue
    default: rawValue
    }
  }
}
