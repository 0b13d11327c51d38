import CFuse
import Glibc
import SystemPackage
import UnderFileSystem
import VolumeFileSystem

extension OperationTable {
  /// Attributes, and extended ones, of which POSIX ACLs are two.
  static func addAttributes(_ table: inout fuse_lowlevel_ops) {
    table.getattr = { raw, node, information in
      Request(raw).answer { request throws(Errno) in
        .attributes(try request.fileSystem.getAttributes(of: node, handle: Handle.optionalID(information)))
      }
    }
    table.setattr = { raw, node, values, valid, information in
      Request(raw).answer { request throws(Errno) in
        let change = try AttributeChange(values, valid: valid, killPrivileges: request.buffer.killsPrivileges)
        return .attributes(
          try request.fileSystem.setAttributes(
            change, of: node, handle: Handle.optionalID(information), caller: request.caller))
      }
    }
    addExtended(&table)
  }

  private static func addExtended(_ table: inout fuse_lowlevel_ops) {
    table.getxattr = { raw, node, name, size in
      Request(raw).answer { request throws(Errno) in
        try OperationTable.sized(try request.fileSystem.extendedAttribute(Wire.name(name), of: node), limit: size)
      }
    }
    table.listxattr = { raw, node, size in
      Request(raw).answer { request throws(Errno) in
        try OperationTable.sized(try request.fileSystem.extendedAttributeNames(of: node), limit: size)
      }
    }
    table.setxattr = { raw, node, name, value, size, flags in
      Request(raw).answerOnce { request throws(Errno) in
        // SAFETY: libfuse passes `size` bytes of the request.
        let bytes = Array(UnsafeRawBufferPointer(start: value, count: size))
        try request.fileSystem.setExtendedAttribute(
          Wire.name(name), of: node, to: bytes, flags: ExtendedAttributeFlags(rawValue: flags), caller: request.caller,
          request: request.id)
        return .done
      }
    }
    table.removexattr = { raw, node, name in
      Request(raw).answerOnce { request throws(Errno) in
        try request.fileSystem.removeExtendedAttribute(
          Wire.name(name), of: node, caller: request.caller, request: request.id)
        return .done
      }
    }
  }

  /// Size 0 asks for the size alone, as getxattr(2) and listxattr(2) do.
  private static func sized(_ value: [UInt8], limit: Int) throws(Errno) -> Reply {
    if limit == 0 { return .size(value.count) }
    guard value.count <= limit else { throw .valueTooLarge }
    return .bytes(value)
  }
}

extension AttributeChange {
  /// - Parameters:
  ///   - valid: FATTR_* bits, which say what of `values` counts.
  /// - Throws: EINVAL without values.
  init(_ values: UnsafeMutablePointer<stat>?, valid: CInt, killPrivileges: Bool) throws(Errno) {
    guard let values = values?.pointee else { throw .malformedRequest }
    func has(_ bit: CInt) -> Bool { valid & bit != 0 }
    self.init()
    if has(FUSE_SET_ATTR_MODE) { mode = values.st_mode & 0o7777 }
    if has(FUSE_SET_ATTR_UID) { uid = values.st_uid }
    if has(FUSE_SET_ATTR_GID) { gid = values.st_gid }
    if has(FUSE_SET_ATTR_SIZE) { size = Int64(values.st_size) }
    if has(FUSE_SET_ATTR_ATIME_NOW) {
      accessTime = .now
    } else if has(FUSE_SET_ATTR_ATIME) {
      accessTime = .at(Wire.nanoseconds(values.st_atim))
    }
    if has(FUSE_SET_ATTR_MTIME_NOW) {
      modificationTime = .now
    } else if has(FUSE_SET_ATTR_MTIME) {
      modificationTime = .at(Wire.nanoseconds(values.st_mtim))
    }
    self.killPrivileges = killPrivileges
  }
}
