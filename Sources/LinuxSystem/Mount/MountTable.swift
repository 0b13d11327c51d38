internal import CLinux
import Glibc
package import SystemPackage

/// All mounts of a mount namespace at one moment. Looks at no mount itself, so it never blocks on a dead one.
package struct MountTable: Sendable {
  /// In the kernel's order.
  package let entries: [MountEntry]

  /// For tests and for tables read elsewhere.
  package init(entries: [MountEntry]) { self.entries = entries }

  /// Parses the text of a mountinfo file. Lines that do not parse are left out.
  /// - Parameter path: keeps only the mounts at it and at the directories above it.
  package init(parsing text: [UInt8], along path: String? = nil) {
    let lines = text.split(separator: UInt8(ascii: "\n"))
    guard let path else {
      entries = lines.compactMap { MountEntry(line: $0) }
      return
    }
    let wanted = Array(Self.normal(path).utf8)
    entries = lines.filter { line in
      guard let field = MountEntry.mountPointField(of: line) else { return false }
      return Self.isPrefix(MountEntry.unescaped(field), of: wanted)
    }.compactMap { MountEntry(line: $0) }
  }

  /// Reads the calling thread's mount namespace, or that of another process.
  ///
  /// The kernel hands the table out in parts, between which it may change; it says so on poll(2), and then the table
  /// is read again.
  /// - Parameter path: keeps only the mounts at it and at the directories above it, which is all that `all(at:)`,
  ///   `visible(at:)` and `containing(_:)` of that path need. On a node with hundreds of mounts parsing the others costs
  ///   more than a bind mount.
  package static func read(pid: Int32? = nil, along path: String? = nil) throws(Errno) -> MountTable {
    // `thread-self`, as a thread can be in a mount namespace of its own.
    let name = "/proc/\(pid.map(String.init) ?? "thread-self")/mountinfo"
    var text: [UInt8] = []
    for _ in 0..<8 {
      let file = try Descriptor.open(name, O_RDONLY)
      text = try file.readToEnd()
      var change = pollfd(fd: file.rawValue, events: Int16(POLLPRI), revents: 0)
      if try Syscall.retrying({ poll(&change, 1, 0) }) == 0 { break }
    }
    return MountTable(parsing: text, along: path)
  }

  /// Every mount at exactly this path, hidden ones included, in the kernel's order.
  package func all(at path: String) -> [MountEntry] {
    let wanted = Array(Self.normal(path).utf8)
    return entries.filter { $0.mountPointBytes == wanted }
  }

  /// The mount that a process sees at exactly this path: the topmost one, and nil when the path is no mount point or
  /// lies hidden below a mount on one of its parents.
  /// - Parameter path: absolute, without symbolic links, `.` and `..`.
  package func visible(at path: String) -> MountEntry? {
    let normal = Self.normal(path)
    let holder = containing(normal)
    return holder?.mountPointBytes == Array(normal.utf8) ? holder : nil
  }

  /// The mount that holds `path`, found as the kernel walks: from mount to mount along the path.
  /// - Parameter path: absolute, without symbolic links, `.` and `..`.
  package func containing(_ path: String) -> MountEntry? {
    let wanted = Array(Self.normal(path).utf8)
    let onTheWay = entries.filter { Self.isPrefix($0.mountPointBytes, of: wanted) }
      .sorted { $0.mountPointBytes.count < $1.mountPointBytes.count }
    let ids = Set(entries.map(\.id))
    var current: MountEntry?
    var index = 0
    while index < onTheWay.count {
      let length = onTheWay[index].mountPointBytes.count
      let end = onTheWay[index...].firstIndex { $0.mountPointBytes.count != length } ?? onTheWay.count
      var level = Array(onTheWay[index..<end])
      // Mounts of one path form a chain, each the parent of the next.
      while let next = level.firstIndex(where: { Self.isChild($0, of: current, known: ids) }) {
        current = level.remove(at: next)
      }
      index = end
    }
    return current
  }

  /// All mounts of the device: a FUSE mount and its binds.
  package func mounts(major: UInt32 = 0, minor: UInt32) -> [MountEntry] {
    entries.filter { $0.major == major && $0.minor == minor }
  }

  /// All mounts at or below this path.
  package func beneath(_ path: String) -> [MountEntry] {
    let parent = Array(Self.normal(path).utf8)
    return entries.filter { Self.isPrefix(parent, of: $0.mountPointBytes) }
  }

  private static func isChild(_ entry: MountEntry, of parent: MountEntry?, known: Set<Int>) -> Bool {
    guard let parent else { return !known.contains(entry.parentID) || entry.parentID == entry.id }
    return entry.parentID == parent.id && entry.id != parent.id
  }

  /// Whether `path` is `parent` or lies beneath it.
  private static func isPrefix(_ parent: [UInt8], of path: [UInt8]) -> Bool {
    let slash = UInt8(ascii: "/")
    if parent == [slash] { return path.first == slash }
    return path.starts(with: parent) && (path.count == parent.count || path[parent.count] == slash)
  }

  /// Without the trailing slash that mountinfo never has.
  private static func normal(_ path: String) -> String {
    var path = path
    while path.utf8.count > 1, path.hasSuffix("/") { path.removeLast() }
    return path
  }
}
