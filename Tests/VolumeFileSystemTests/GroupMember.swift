import Glibc
import LinuxSystem
import SystemPackage
import TestSupport

/// A process that has certain supplementary groups and waits to be looked at; killed with its owner.
final class GroupMember: Sendable {
  let pid: Int32

  init(groups: [UInt32]) throws {
    let list = groups.isEmpty ? "--clear-groups" : "--groups=\(groups.map(String.init).joined(separator: ","))"
    var child: pid_t = 0
    let words = ["setpriv", list, "sleep", "60"]
    var arguments = words.map { strdup($0) } + [nil]
    let result = posix_spawnp(&child, "setpriv", nil, nil, &arguments, environ)
    for argument in arguments { free(argument) }
    guard result == 0 else { throw Errno(rawValue: result) }
    pid = child
    // setpriv becomes sleep when the groups are set: the event to wait for is the new name of the process.
    while (try? WholeFile.text("/proc/\(child)/comm")) != "sleep\n" { sched_yield() }
  }

  deinit {
    kill(pid, SIGKILL)
    waitpid(pid, nil, 0)
  }
}

/// The bytes of a POSIX ACL as extended attributes hold it, version 2. acl(5); linux/posix_acl_xattr.h.
struct ACL {
  enum Tag {
    case userObject
    case user(UInt32)
    case groupObject, mask, other
    var number: UInt16 {
      switch self {
      case .userObject: 1
      case .user: 2
      case .groupObject: 4
      case .mask: 0x10
      case .other: 0x20
      }
    }
  }

  let bytes: [UInt8]

  init(_ entries: [(Tag, UInt16)]) {
    var bytes: [UInt8] = [2, 0, 0, 0]
    for (tag, permissions) in entries {
      bytes += [UInt8(tag.number), 0, UInt8(permissions), 0]
      let id: UInt32 = if case .user(let uid) = tag { uid } else { .max }
      bytes += (0..<4).map { UInt8(truncatingIfNeeded: id >> (8 * UInt32($0))) }
    }
    self.bytes = bytes
  }
}
