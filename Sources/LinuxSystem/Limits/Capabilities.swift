internal import CLinux
import Glibc
package import SystemPackage

/// Capabilities of the calling thread. capabilities(7).
package struct Capabilities: OptionSet, Sendable, Hashable {
  package let rawValue: UInt64
  package init(rawValue: UInt64) { self.rawValue = rawValue }

  /// CAP_CHOWN: giving files away.
  package static let changeOwner = Capabilities(rawValue: 1 << 0)
  /// CAP_DAC_OVERRIDE: permission bits do not count.
  package static let dacOverride = Capabilities(rawValue: 1 << 1)
  /// CAP_DAC_READ_SEARCH: reading and open_by_handle_at(2) without permission bits.
  package static let dacReadSearch = Capabilities(rawValue: 1 << 2)
  /// CAP_FOWNER: what only the owner of a file may do.
  package static let fileOwner = Capabilities(rawValue: 1 << 3)
  /// CAP_FSETID: setuid and setgid bits survive a change.
  package static let fileSetID = Capabilities(rawValue: 1 << 4)
  /// CAP_SETGID and CAP_SETUID.
  package static let setGroupID = Capabilities(rawValue: 1 << 6)
  package static let setUserID = Capabilities(rawValue: 1 << 7)
  /// CAP_SETPCAP: taking capabilities out of the bounding set.
  package static let setProcessCapabilities = Capabilities(rawValue: 1 << 8)
  /// CAP_LINUX_IMMUTABLE: the flag of `InodeFlags`.
  package static let linuxImmutable = Capabilities(rawValue: 1 << 9)
  /// CAP_NET_ADMIN: socket buffers beyond the system limit.
  package static let networkAdministration = Capabilities(rawValue: 1 << 12)
  /// CAP_SYS_ADMIN: mounting.
  package static let systemAdministration = Capabilities(rawValue: 1 << 21)
  /// CAP_SYS_RESOURCE: raising limits.
  package static let systemResource = Capabilities(rawValue: 1 << 24)

  /// CAP_MKNOD: making device nodes.
  package static let makeNodes = Capabilities(rawValue: 1 << 27)
  /// CAP_SETFCAP: the attribute security.capability.
  package static let setFileCapabilities = Capabilities(rawValue: 1 << 31)

  /// Those that count for permission checks of this thread now.
  package static func effective() throws(Errno) -> Capabilities {
    let data = try read()
    return Capabilities(rawValue: UInt64(data.0.effective) | UInt64(data.1.effective) << 32)
  }

  /// Makes exactly these count for this thread. They must be permitted; the permitted set stays as it is.
  package static func setEffective(_ capabilities: Capabilities) throws(Errno) {
    var (low, high) = try read()
    low.effective = UInt32(truncatingIfNeeded: capabilities.rawValue)
    high.effective = UInt32(truncatingIfNeeded: capabilities.rawValue >> 32)
    let data = [low, high]
    try Syscall.once { clinux_capset(data) }
  }

  /// Gives up all but these, for this thread and whatever it starts, for good: they can neither be raised again nor come
  /// back by exec. What is not held is not gained.
  package static func keepOnly(_ kept: Capabilities) throws(Errno) {
    // Only with CAP_SETPCAP; without it exec could bring them back, which no_new_privs prevents as well.
    for number in 0..<64 as Range<UInt> where !kept.contains(Capabilities(rawValue: 1 << UInt64(number))) {
      if clinux_prctl(PR_CAPBSET_DROP, number, 0, 0, 0) != 0 { break }
    }
    let held = try read()
    var (low, high) = (held.0, held.1)
    low.permitted &= UInt32(truncatingIfNeeded: kept.rawValue)
    high.permitted &= UInt32(truncatingIfNeeded: kept.rawValue >> 32)
    (low.effective, high.effective) = (low.effective & low.permitted, high.effective & high.permitted)
    (low.inheritable, high.inheritable) = (0, 0)
    let data = [low, high]
    try Syscall.once { clinux_capset(data) }
  }

  /// No program that this thread or what it starts executes can have a capability, for good.
  /// - Throws: EPERM without CAP_SETPCAP.
  package static func clearBounding() throws(Errno) {
    for number in 0..<64 as Range<UInt> {
      do throws(Errno) { try Syscall.once { clinux_prctl(PR_CAPBSET_DROP, number, 0, 0, 0) } } catch {
        // Past the kernel's last one.
        if error == .invalidArgument { return }
        throw error
      }
    }
  }

  /// Gives up everything of this thread and of what it execs, for good; what was made before it is kept by other threads.
  package static func dropAll() throws(Errno) {
    let data = [__user_cap_data_struct](repeating: __user_cap_data_struct(), count: 2)
    try Syscall.once { clinux_capset(data) }
  }

  private static func read() throws(Errno) -> (__user_cap_data_struct, __user_cap_data_struct) {
    var data = [__user_cap_data_struct](repeating: __user_cap_data_struct(), count: 2)
    try Syscall.once { clinux_capget(&data) }
    return (data[0], data[1])
  }
}
