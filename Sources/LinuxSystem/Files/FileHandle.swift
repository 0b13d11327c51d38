internal import CLinux
import Glibc
package import SystemPackage

/// What name_to_handle_at(2) says of a file: it finds the file again whatever its names, and never finds another one.
package struct FileHandle: Sendable {
  /// MAX_HANDLE_SZ, in bytes.
  package static let maximumLength = 128

  package var type: Int32
  /// Bytes in use.
  package var length: Int
  /// The bytes in memory order; those behind `length` are zero.
  package var words: InlineArray<16, UInt64>

  package init(type: Int32, length: Int, words: InlineArray<16, UInt64>) {
    self.type = type
    self.length = length
    self.words = words
  }
}

/// An empty name with its NUL: with AT_EMPTY_PATH the descriptor itself.
private let noName: [UInt8] = [0]

extension Descriptor {
  /// The handle of this open file (O_PATH will do) and the id of the mount that it was reached by.
  /// - Throws: EOPNOTSUPP where the file system has no handles.
  package borrowing func fileHandle() throws(Errno) -> (handle: FileHandle, mountID: Int32) {
    try fileHandle(name: noName)
  }

  /// The same of a name in this directory, which is not opened for it; a symlink is not followed.
  /// - Parameter name: ends in a NUL; nothing but the NUL stands for this file itself.
  package borrowing func fileHandle(name: [UInt8]) throws(Errno) -> (handle: FileHandle, mountID: Int32) {
    var raw = clinux_handle()
    raw.byte_count = UInt32(FileHandle.maximumLength)
    var mount: CInt = 0
    let number = rawValue
    try name.withName { name throws(Errno) in
      try Syscall.once { clinux_name_to_handle_at(number, name, &raw, &mount, clinux_AT_EMPTY_PATH) }
    }
    var words = InlineArray<16, UInt64>(repeating: 0)
    let count = (Int(raw.byte_count) + 7) / 8
    withUnsafeBytes(of: &raw.words) { bytes in
      for index in 0..<count { words[index] = bytes.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self) }
    }
    // Bytes behind the length are what the stack held, as the kernel does not write them.
    let tail = Int(raw.byte_count) % 8
    if tail != 0 { words[count - 1] &= (1 << (8 * UInt64(tail))) - 1 }
    return (FileHandle(type: raw.type, length: Int(raw.byte_count), words: words), mount)
  }

  /// Opens a file by its handle; this descriptor is any file of its file system, not O_PATH. Needs CAP_DAC_READ_SEARCH.
  /// - Throws: ESTALE when the file is gone. See open_by_handle_at(2).
  package borrowing func open(_ handle: FileHandle, _ flags: CInt) throws(Errno) -> Descriptor {
    var raw = clinux_handle()
    raw.byte_count = UInt32(handle.length)
    raw.type = handle.type
    withUnsafeMutableBytes(of: &raw.words) { bytes in
      for index in 0..<(handle.length + 7) / 8 {
        bytes.storeBytes(of: handle.words[index], toByteOffset: index * 8, as: UInt64.self)
      }
    }
    let number = rawValue
    // The kernel says ENOMEM, not ESTALE, as long as the inode number of a removed file is being given to a new one.
    var looks = 0
    while true {
      do throws(Errno) {
        return Descriptor(
          adopting: try Syscall.retrying { clinux_open_by_handle_at(number, &raw, flags | O_CLOEXEC) })
      } catch {
        guard error == .noMemory, looks < Self.looksForHandle else { throw error }
      }
      looks += 1
      if looks < Self.looksForHandle / 2 { sched_yield() } else { usleep(1000) }
    }
  }

  /// How often a file is looked for by its handle: the last half a millisecond apart, as making a file may wait for a
  /// disk.
  private static var looksForHandle: Int { 200 }
}
