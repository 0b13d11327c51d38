import CFuse
import Glibc
import SystemPackage
import UnderFileSystem
import VolumeFileSystem

extension OperationTable {
  /// Open files.
  static func addFiles(_ table: inout fuse_lowlevel_ops) {
    table.open = { raw, node, information in
      Request(raw).answer { request throws(Errno) in
        let flags = try Handle.flags(information)
        return .open(node, try request.fileSystem.open(node, flags: flags, caller: request.caller))
      }
    }
    table.create = { raw, parent, name, mode, information in
      Request(raw).answerOnce { request throws(Errno) in
        let flags = try Handle.flags(information)
        let made = try request.fileSystem.create(
          Wire.name(name), in: parent, mode: mode, flags: flags, caller: request.caller, request: request.id)
        return .create(made.entry, made.open)
      }
    }
    addContents(&table)
    addEnds(&table)
    addRanges(&table)
  }

  private static func addContents(_ table: inout fuse_lowlevel_ops) {
    table.read = { raw, node, size, offset, information in
      Request(raw).answer { request throws(Errno) in
        let handle = try Handle.id(information)
        var target = try request.buffer.room(size).mutableBytes
        switch try request.fileSystem.answerRead(node, handle: handle, into: &target, at: Int64(offset)) {
        case .copied(let count): return .buffered(count)
        case .lent(let bytes): return .lent(bytes)
        }
      }
    }
    table.write = { raw, node, data, size, offset, information in
      Request(raw).answer { request throws(Errno) in
        let handle = try Handle.id(information)
        // SAFETY: libfuse passes `size` bytes of the request, which stay as they are until it is answered.
        let bytes = UnsafeRawBufferPointer(start: data, count: size).bytes
        if request.buffer.killsPrivileges { try request.clearSetIDBits(of: node, isDemanded: true) }
        return .written(try request.fileSystem.write(node, handle: handle, bytes, at: Int64(offset)))
      }
    }
  }

  private static func addEnds(_ table: inout fuse_lowlevel_ops) {
    table.flush = { raw, node, information in
      Request(raw).answer { request throws(Errno) in
        try request.fileSystem.flush(node, handle: try Handle.id(information))
        return .done
      }
    }
    table.fsync = { raw, node, _, information in
      Request(raw).answer { request throws(Errno) in
        try request.fileSystem.synchronize(node, handle: try Handle.id(information))
        return .done
      }
    }
    table.release = { raw, node, information in
      Request(raw).answerOnce { request throws(Errno) in
        request.fileSystem.release(node, handle: try Handle.id(information), request: request.id)
        return .done
      }
    }
    table.ioctl = { raw, _, _, _, _, _, _, _, _ in Request(raw).fail(.inappropriateIOCTLForDevice) }
  }

  private static func addRanges(_ table: inout fuse_lowlevel_ops) {
    table.fallocate = { raw, node, mode, offset, length, information in
      Request(raw).answer { request throws(Errno) in
        try request.clearSetIDBits(of: node, isDemanded: false)
        try request.fileSystem.allocate(
          node, handle: try Handle.id(information), mode: mode, offset: Int64(offset), length: Int64(length))
        return .done
      }
    }
    table.lseek = { raw, node, offset, whence, information in
      Request(raw).answer { request throws(Errno) in
        .offset(
          try request.fileSystem.seek(
            node, handle: try Handle.id(information), offset: Int64(offset), whence: whence))
      }
    }
    table.copy_file_range = { raw, source, sourceOffset, sourceFile, target, targetOffset, targetFile, length, flags in
      Request(raw).answer { request throws(Errno) in
        guard flags == 0 else { throw .malformedRequest }
        try request.clearSetIDBits(of: target, isDemanded: false)
        return .written(
          try request.fileSystem.copyRange(
            from: source, handle: try Handle.id(sourceFile), at: Int64(sourceOffset),
            to: target, handle: try Handle.id(targetFile), at: Int64(targetOffset), length: length))
      }
    }
  }
}

/// What libfuse knows of an open file.
enum Handle {
  typealias Information = UnsafeMutablePointer<fuse_file_info>

  /// The handle that open or create answered.
  static func id(_ information: Information?) throws(Errno) -> HandleID {
    guard let information else { throw .noHandle }
    return HandleID(rawValue: information.pointee.fh)
  }

  /// The same, where the kernel may leave it out.
  static func optionalID(_ information: Information?) -> HandleID? {
    information.map { HandleID(rawValue: $0.pointee.fh) }
  }

  /// open(2) flags of a request to open.
  static func flags(_ information: Information?) throws(Errno) -> Int32 {
    guard let information else { throw .malformedRequest }
    return information.pointee.flags
  }
}

extension RequestBuffer {
  /// Room for the data of an answer, valid while the buffer lives; nothing else touches that part of it.
  /// - Throws: EINVAL when the kernel asks for more than was agreed.
  func room(_ size: Int) throws(Errno) -> UnsafeMutableRawBufferPointer {
    guard size >= 0, size <= answer.count else { throw .malformedRequest }
    return UnsafeMutableRawBufferPointer(rebasing: answer[..<size])
  }
}
