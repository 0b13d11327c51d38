internal import CLinux
import Glibc
package import SystemPackage

/// The names in a directory. readdir(3).
package enum DirectoryNames {
  /// Sorted names without `.` and `..`; names that are not UTF-8 have their bad bytes replaced.
  package static func list(_ path: String) throws(Errno) -> [String] {
    try Syscall.checkNoNul(path)
    guard let stream = opendir(path) else { throw Errno(rawValue: errno) }
    defer { closedir(stream) }
    var names: [String] = []
    while true {
      errno = 0
      guard let entry = readdir(stream) else { break }
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name != ".", name != ".." { names.append(name) }
    }
    if errno != 0 { throw Errno(rawValue: errno) }
    return names.sorted()
  }
}
