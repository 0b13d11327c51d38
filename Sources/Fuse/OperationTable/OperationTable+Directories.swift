import CFuse
import Glibc
import SystemPackage
import VolumeFileSystem

extension OperationTable {
  /// Listing directories, and the volume as a whole.
  static func addDirectories(_ table: inout fuse_lowlevel_ops) {
    table.opendir = { raw, node, information in
      Request(raw).answer { request throws(Errno) in
        .open(node, try request.fileSystem.openDirectory(node, flags: try Handle.flags(information)))
      }
    }
    table.readdir = { raw, node, size, offset, information in
      Request(raw).answer { request throws(Errno) in
        var listing = try DirectoryListing(request.buffer, size: size)
        try request.fileSystem.readDirectory(
          node, handle: try Handle.id(information), from: UInt64(bitPattern: Int64(offset))
        ) { name, inode, type, cookie in listing.add(name, inode: inode, type: type, cookie: cookie) }
        return .buffered(listing.count)
      }
    }
    table.releasedir = { raw, node, information in
      Request(raw).answer { request throws(Errno) in
        request.fileSystem.releaseDirectory(node, handle: try Handle.id(information))
        return .done
      }
    }
    table.fsyncdir = { raw, node, _, information in
      Request(raw).answer { request throws(Errno) in
        try request.fileSystem.synchronizeDirectory(node, handle: try Handle.id(information))
        return .done
      }
    }
    table.statfs = { raw, _ in
      Request(raw).answer { request throws(Errno) in .statistics(try request.fileSystem.statistics()) }
    }
  }
}

/// The data of a READDIR answer: `fuse_dirent` after `fuse_dirent`, each padded to 8 bytes.
struct DirectoryListing {
  private let target: UnsafeMutableRawBufferPointer
  /// Bytes used.
  private(set) var count = 0

  /// - Throws: EINVAL when the kernel asks for more than was agreed.
  init(_ buffer: RequestBuffer, size: Int) throws(Errno) {
    target = try buffer.room(size)
  }

  /// - Parameters:
  ///   - name: with its NUL.
  ///   - type: DT_*.
  ///   - cookie: where a listing goes on behind this entry.
  /// - Returns: false when there is no room left; the entry was not added.
  mutating func add(_ name: borrowing Span<UInt8>, inode: UInt64, type: UInt8, cookie: UInt64) -> Bool {
    var status = stat()
    status.st_ino = ino_t(inode)
    status.st_mode = UInt32(type) << 12
    let room = target.count - count
    // SAFETY: libfuse writes only when the entry fits into `room` bytes; the name ends with NUL.
    let needed = name.withUnsafeBytes { bytes in
      fuse_add_direntry(
        nil, target.baseAddress.map { ($0 + count).assumingMemoryBound(to: CChar.self) }, room,
        bytes.baseAddress?.assumingMemoryBound(to: CChar.self), &status, off_t(bitPattern: UInt(cookie)))
    }
    guard needed <= room else { return false }
    count += needed
    return true
  }
}
