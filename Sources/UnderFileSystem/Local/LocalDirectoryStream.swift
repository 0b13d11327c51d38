import LinuxSystem
import Synchronization
import SystemPackage

/// A directory of a local UFS being read: the file system's own order and cookies, without hidden names.
final class LocalDirectoryStream: DirectoryStream {
  private let reader: Mutex<DirectoryReader>

  init(_ reader: consuming DirectoryReader) { self.reader = Mutex(reader) }

  var position: UInt64 { reader.withLock { $0.position } }

  func forEach(_ body: (Span<UInt8>, UInt64, UInt8, UInt64) throws(Errno) -> Bool) throws(Errno) -> Bool {
    try reader.withLock { (reader) throws(Errno) in
      try reader.forEach { (name, inode, type, cookie) throws(Errno) in
        if HiddenName.isHidden(name) { return true }
        return try body(name, inode, type, cookie)
      }
    }
  }
}
