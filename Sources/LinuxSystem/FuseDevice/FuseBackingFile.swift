internal import CLinux
import Glibc
package import SystemPackage

/// A file that the kernel reads and writes for a FUSE mount by itself (passthrough, Linux 6.9). Open files of one node must
/// all name the same registration, or the kernel answers EIO.
package enum FuseBackingFile {
  /// Has the kernel keep the file for the connection of `device` until ``close(_:of:)`` or the connection's end, also
  /// when every process is gone.
  ///
  /// What applications then write is written with the rights that the calling thread has here, less two: CAP_FSETID, so
  /// that the file system takes setuid and setgid off a file that is written to, whoever writes; and CAP_SYS_RESOURCE, so
  /// that quotas and reserved blocks count.
  /// - Parameter file: open, not O_PATH.
  /// - Returns: the number by which an answer to FUSE_OPEN names it.
  /// - Throws: EPERM without CAP_SYS_ADMIN, ELOOP where the file's file system lies on another one, EOPNOTSUPP or ENOTTY
  ///   where the kernel has no passthrough.
  package static func open(_ file: CInt, for device: CInt) throws(Errno) -> Int32 {
    let held = try Capabilities.effective()
    try Capabilities.setEffective(held.subtracting([.fileSetID, .systemResource]))
    defer { try? Capabilities.setEffective(held) }
    return Int32(try Syscall.retrying { clinux_fuse_backing_open(device, file) })
  }

  /// No further open names it; those that did go on.
  package static func close(_ id: Int32, of device: CInt) throws(Errno) {
    try Syscall.retrying { clinux_fuse_backing_close(device, UInt32(bitPattern: id)) }
  }
}
