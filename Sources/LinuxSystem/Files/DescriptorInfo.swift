internal import Glibc
internal import SystemPackage

/// What the kernel tells of an open descriptor beyond stat(2). proc_pid_fdinfo(5).
enum DescriptorInfo {
  /// The number behind `name:`; nil where the kernel does not tell, as for a descriptor of another kind.
  static func number(_ name: String, of descriptor: borrowing Descriptor) -> Int64? {
    guard let text = try? WholeFile.text("/proc/self/fdinfo/\(descriptor.rawValue)") else { return nil }
    for line in text.split(separator: "\n") where line.hasPrefix("\(name):") {
      return Int64(line.dropFirst(name.utf8.count + 1).filter { !$0.isWhitespace })
    }
    return nil
  }
}

extension FuseDevice {
  /// 10:229, as makedev(3), a macro, puts it together.
  private static let deviceNumber: UInt64 = 10 << 8 | 229

  /// Whether this is a descriptor of `/dev/fuse`.
  package static func isDevice(_ descriptor: borrowing Descriptor) -> Bool {
    guard let status = try? descriptor.status() else { return false }
    return status.type == S_IFCHR && status.specialDevice == deviceNumber
  }

  /// The connection behind a descriptor; nil from kernels that do not tell (before 6.17), or before it is mounted.
  package static func connection(of descriptor: borrowing Descriptor) -> FuseConnection? {
    guard let number = DescriptorInfo.number("fuse_connection", of: descriptor) else { return nil }
    return UInt32(exactly: number).map { FuseConnection(number: $0) }
  }
}

extension PidFD {
  /// The process behind a pidfd: 0 where it is not seen in this PID namespace, -1 where it has been reaped; nil for a
  /// descriptor that is no pidfd.
  package static func pid(of descriptor: borrowing Descriptor) -> Int32? {
    DescriptorInfo.number("Pid", of: descriptor).flatMap { Int32(exactly: $0) }
  }
}
