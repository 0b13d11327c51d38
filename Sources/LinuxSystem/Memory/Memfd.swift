internal import CLinux
import Glibc
package import SystemPackage

/// What can no longer be done to a memfd, by anybody. fcntl(2), F_ADD_SEALS.
package struct MemfdSeals: OptionSet, Sendable, Hashable {
  package let rawValue: CInt
  package init(rawValue: CInt) { self.rawValue = rawValue }

  /// No further seals.
  package static let seal = MemfdSeals(rawValue: 1)
  /// Never smaller: without it whoever holds the memfd can make a mapping of it end in SIGBUS.
  package static let shrink = MemfdSeals(rawValue: 2)
  /// Never larger.
  package static let grow = MemfdSeals(rawValue: 4)
  /// Never written again; fails with EBUSY while a writable shared mapping exists.
  package static let write = MemfdSeals(rawValue: 8)
  /// Content and size are final: for secrets.
  package static let everything: MemfdSeals = [.seal, .shrink, .grow, .write]
}

/// Anonymous memory with a descriptor, which lives as long as anybody holds it. memfd_create(2).
package enum Memfd {
  /// An empty memfd that can be sealed.
  /// - Parameter name: shown under `/proc/PID/fd`, up to 249 bytes; never a secret.
  package static func create(name: String, byteCount: Int = 0, sealing seals: MemfdSeals = []) throws(Errno)
    -> Descriptor
  {
    try Syscall.checkNoNul(name)
    let flags = CLINUX_MFD_CLOEXEC | CLINUX_MFD_ALLOW_SEALING
    let descriptor = Descriptor(adopting: try Syscall.once { clinux_memfd_create(name, flags) })
    if byteCount > 0 { try resize(descriptor, to: byteCount) }
    if !seals.isEmpty { try seal(descriptor, seals) }
    return descriptor
  }

  /// A memfd that holds `bytes` and can never be changed. Its offset stands at the start.
  package static func sealed(name: String, bytes: [UInt8]) throws(Errno) -> Descriptor {
    let descriptor = try create(name: name)
    try descriptor.writeAll(bytes)
    let number = descriptor.rawValue
    try Syscall.once { lseek(number, 0, SEEK_SET) }
    try seal(descriptor, .everything)
    return descriptor
  }

  /// The whole content from the start, whatever the offset that all holders share.
  /// - Throws: EFBIG beyond `limit` bytes.
  package static func contents(of descriptor: borrowing Descriptor, limit: Int = 1 << 20) throws(Errno) -> [UInt8] {
    let count = try byteCount(of: descriptor)
    guard count <= limit else { throw Errno.fileTooLarge }
    return try firstBytes(count, of: descriptor)
  }

  /// So many bytes from the start, or all where there are fewer.
  package static func firstBytes(_ count: Int, of descriptor: borrowing Descriptor) throws(Errno) -> [UInt8] {
    let number = descriptor.rawValue
    var bytes = [UInt8](repeating: 0, count: count)
    var done = 0
    while done < count {
      let got = try Syscall.retrying {
        bytes.withUnsafeMutableBytes { pread(number, $0.baseAddress.map { $0 + done }, $0.count - done, off_t(done)) }
      }
      if got == 0 { break }
      done += got
    }
    bytes.removeLast(count - done)
    return bytes
  }

  /// Adds seals; they never come off.
  /// - Throws: EINVAL when the descriptor is no memfd, EPERM when it was sealed against seals or is not writable.
  package static func seal(_ descriptor: borrowing Descriptor, _ seals: MemfdSeals) throws(Errno) {
    let number = descriptor.rawValue
    try Syscall.once { fcntl(number, CLINUX_F_ADD_SEALS, seals.rawValue) }
  }

  /// - Throws: EINVAL when the descriptor is no memfd.
  package static func seals(of descriptor: borrowing Descriptor) throws(Errno) -> MemfdSeals {
    let number = descriptor.rawValue
    return MemfdSeals(rawValue: try Syscall.once { fcntl(number, CLINUX_F_GET_SEALS) })
  }

  /// ftruncate(2); new bytes are zero.
  package static func resize(_ descriptor: borrowing Descriptor, to byteCount: Int) throws(Errno) {
    let number = descriptor.rawValue
    try Syscall.retrying { ftruncate(number, off_t(byteCount)) }
  }

  /// The size now, in bytes.
  package static func byteCount(of descriptor: borrowing Descriptor) throws(Errno) -> Int {
    let number = descriptor.rawValue
    var status = stat()
    try Syscall.once { fstat(number, &status) }
    return Int(status.st_size)
  }
}
