import Glibc
import LinuxSystem
import SystemPackage

/// A regular file of a local UFS, open for reading or for both.
final class LocalFile: OpenFile {
  let descriptor: Descriptor
  let access: FileAccess

  init(_ descriptor: consuming Descriptor, access: FileAccess) {
    self.descriptor = descriptor
    self.access = access
  }

  var descriptorNumber: CInt? { descriptor.rawValue }

  func attributes() throws(Errno) -> Attributes { Attributes(try descriptor.status()) }

  func read(into buffer: inout MutableRawSpan, at offset: Int64) throws(Errno) -> Int {
    try descriptor.read(into: &buffer, at: offset)
  }

  func write(_ bytes: RawSpan, at offset: Int64, durability: WriteDurability) throws(Errno) -> Int {
    let flags: WriteFlags =
      switch durability {
      case .none: []
      case .data: .dataSync
      case .full: .sync
      }
    return try descriptor.write(bytes, at: offset, flags: flags)
  }

  func truncate(to size: Int64) throws(Errno) { try descriptor.truncate(to: size) }

  func allocate(mode: Int32, offset: Int64, length: Int64) throws(Errno) {
    try descriptor.allocate(mode: mode, offset: offset, length: length)
  }

  func seek(to offset: Int64, whence: Int32) throws(Errno) -> Int64 {
    try descriptor.seek(to: offset, whence: whence)
  }

  func copy(
    from source: any OpenFile, at sourceOffset: Int64, to offset: Int64, length: Int
  ) throws(Errno) -> Int {
    guard let source = source as? LocalFile else { throw .otherFileSystem }
    return try source.descriptor.copyRange(at: sourceOffset, to: descriptor, at: offset, length: length)
  }

  func synchronize() throws(Errno) { try descriptor.synchronize() }

  /// close(2) of a duplicate: what network file systems wait for, and report, when a descriptor is closed.
  func flush() throws(Errno) { try descriptor.duplicate().close() }

  func changeMode(_ mode: UInt32) throws(Errno) { try descriptor.changeMode(mode & 0o7777) }
}
