internal import Glibc
package import SystemPackage

/// A cgroup of the memory controller, by its folder. cgroups(7); `memory.rst` and `cgroup-v2.rst` of the kernel.
package struct MemoryCgroup: Sendable, Hashable {
  /// The hierarchy that has the memory controller: its own (v1) or the unified one.
  package enum Version: Sendable, Hashable { case v1, v2 }

  package let folder: String
  package let version: Version

  package init(folder: String, version: Version) {
    self.folder = folder
    self.version = version
  }

  /// The cgroup of this process; nil where no hierarchy with a memory controller is mounted.
  package static func own() throws(Errno) -> MemoryCgroup? {
    let found = find(in: try MountTable.read(), membership: try WholeFile.text("/proc/self/cgroup"))
    guard let found, found.version == .v2 else { return found }
    return try found.controllers("cgroup.controllers").contains("memory") ? found : nil
  }

  /// The cgroup of any process.
  /// - Parameters:
  ///   - membership: the text of /proc/PID/cgroup: lines of hierarchy, controllers and path.
  ///   - version: nil: of the hierarchy that has the memory controller.
  package static func find(in table: MountTable, membership: String, version: Version? = nil) -> MemoryCgroup? {
    var unified: MemoryCgroup?
    for line in membership.split(separator: "\n") {
      let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false).map(String.init)
      guard fields.count == 3 else { continue }
      if version != .v2, fields[1].split(separator: ",").contains("memory") {
        let mount = table.entries.last {
          $0.type == "cgroup" && $0.superOptions.split(separator: ",").contains("memory")
        }
        return mount.flatMap { folder(of: fields[2], $0) }.map { MemoryCgroup(folder: $0, version: .v1) }
      }
      if version != .v1, fields[0] == "0", fields[1].isEmpty,
        let mount = table.entries.last(where: { $0.type == "cgroup2" })
      {
        unified = folder(of: fields[2], mount).map { MemoryCgroup(folder: $0, version: .v2) }
      }
    }
    return unified
  }

  /// Where a cgroup is seen through a mount that may show only a part of the hierarchy.
  private static func folder(of path: String, _ mount: MountEntry) -> String? {
    let root = mount.root == "/" ? "" : mount.root
    if root.isEmpty { return path == "/" ? mount.mountPoint : mount.mountPoint + path }
    guard path == root || path.hasPrefix(root + "/") else { return nil }
    return mount.mountPoint + path.dropFirst(root.count)
  }

  /// A cgroup beneath this one, whether it exists or not.
  package func child(_ name: String) -> MemoryCgroup { MemoryCgroup(folder: "\(folder)/\(name)", version: version) }
}

extension MemoryCgroup {
  /// - Throws: EROFS or EACCES where cgroups are not writable.
  package func make() throws(Errno) { try Folder.make(folder, mode: 0o755) }

  /// Succeeds where there is none. - Throws: EBUSY while processes are in it.
  package func remove() throws(Errno) {
    do throws(Errno) { try Folder.removeEmpty(folder) } catch .noSuchFileOrDirectory { return }
  }

  /// The memory that its processes may have together. Where the kernel counts swap, it is part of that.
  package func setLimit(bytes: UInt64) throws(Errno) {
    switch version {
    case .v1:
      try write("\(bytes)", "memory.limit_in_bytes")
      // Absent where swap is not counted.
      try? write("\(bytes)", "memory.memsw.limit_in_bytes")
    case .v2:
      try write("\(bytes)", "memory.max")
      try? write("0", "memory.swap.max")
    }
  }

  /// What a process allocates from now on counts here.
  package func add(pid: Int32) throws(Errno) { try write("\(pid)", "cgroup.procs") }

  /// Processes in it, not in those beneath it.
  package func pids() throws(Errno) -> [Int32] {
    try WholeFile.text("\(folder)/cgroup.procs").split(separator: "\n").compactMap { Int32($0) }
  }

  /// Bytes that count now.
  package func usage() throws(Errno) -> UInt64 {
    try number(in: version == .v1 ? "memory.usage_in_bytes" : "memory.current")
  }

  /// Whether the kernel has killed a process in it for memory, and whether that was for its own limit.
  package func outOfMemory() throws(Errno) -> (killed: Bool, atOwnLimit: Bool) {
    switch version {
    case .v1:
      let killed = Self.number(after: "oom_kill", in: try WholeFile.text("\(folder)/memory.oom_control"))
      // The counter of failures stays 0 where memory and swap have one limit: what was used at most tells it.
      let limit = try number(in: "memory.limit_in_bytes")
      return (killed > 0, try number(in: "memory.max_usage_in_bytes") + Self.batch >= limit)
    case .v2:
      let events = try WholeFile.text("\(folder)/memory.events")
      return (Self.number(after: "oom_kill", in: events) > 0, Self.number(after: "oom", in: events) > 0)
    }
  }

  /// The kernel takes memory from a limit in batches of so many bytes.
  private static let batch: UInt64 = 64 * 4096

  private func number(in file: String) throws(Errno) -> UInt64 {
    UInt64(try WholeFile.text("\(folder)/\(file)").prefix { $0 != "\n" }) ?? 0
  }

  private static func number(after key: String, in text: String) -> UInt64 {
    for line in text.split(separator: "\n") {
      let words = line.split(separator: " ")
      if words.count == 2, words[0] == key { return UInt64(words[1]) ?? 0 }
    }
    return 0
  }

  /// Lets cgroups beneath this one limit memory, or what another controller limits. In the unified hierarchy this one may
  /// then hold no processes: those of `own` are moved into a cgroup beneath it.
  /// - Throws: EBUSY where other processes are in it, ENODEV where the hierarchy has no such controller here.
  package func delegate(
    _ controller: String = "memory", movingOwn own: Set<Int32>, to name: String
  ) throws(Errno) {
    guard version == .v2, try !controllers("cgroup.subtree_control").contains(controller[...]) else { return }
    guard try controllers("cgroup.controllers").contains(controller[...]) else { throw .operationNotSupportedByDevice }
    let members = try pids()
    if !members.isEmpty {
      guard own.isSuperset(of: members) else { throw .resourceBusy }
      let leaf = child(name)
      try leaf.make()
      for pid in members { try leaf.add(pid: pid) }
    }
    try write("+\(controller)", "cgroup.subtree_control")
  }

  private func controllers(_ file: String) throws(Errno) -> [Substring] {
    try WholeFile.text("\(folder)/\(file)").split { $0 == " " || $0 == "\n" }
  }

  private func write(_ text: String, _ file: String) throws(Errno) {
    try WholeFile.write(text, to: "\(folder)/\(file)")
  }
}
