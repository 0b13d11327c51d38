internal import LinuxSystem
internal import SystemPackage
internal import VolumeModel

/// Mounts that were lost and that processes of other mount namespaces, containers as a rule, still see.
enum StaleMounts {
  /// One process of each mount namespace in which a mount of one of these connections is seen, as `cat (pid 4711)`, at most
  /// `limit` of them. Reads /proc only and looks at no mount; run it with a deadline all the same.
  ///
  /// - Parameter folder: of the plugin's own source mounts: a copy of one is used by nobody.
  ///
  /// A plugin in a PID namespace of its own sees only its own processes: then nobody is found.
  static func users(of connections: Set<UInt32>, besides folder: String, limit: Int = 8) -> [String] {
    guard !connections.isEmpty, let own = try? SymbolicLink.read("/proc/thread-self/ns/mnt") else { return [] }
    var seen: Set<[UInt8]> = [own]
    var users: [String] = []
    for pid in (try? ProcessTable.pids()) ?? [] where users.count < limit {
      guard let namespace = try? SymbolicLink.read("/proc/\(pid)/ns/mnt"), seen.insert(namespace).inserted,
        let table = try? MountTable.read(pid: pid), isSeen(connections, in: table, besides: folder)
      else { continue }
      let name = (try? ProcessStatus(pid: pid))?.name ?? "a process"
      users.append("\(name) (pid \(pid))")
    }
    return users
  }

  /// Whether one of these connections has a mount that no living one of a volume stands in for.
  ///
  /// Two that cover a lost mount do not: one that does not map owners where the lost one did (a pod with a user namespace of
  /// its own), and one that hides what was mounted within the lost one.
  static func isSeen(_ connections: Set<UInt32>, in table: MountTable, besides folder: String) -> Bool {
    table.entries.contains { entry in
      guard entry.type == TargetMount.fileSystemType, connections.contains(entry.minor),
        !PathComponents.has(entry.mountPoint, prefix: folder + "/")
      else { return false }
      guard let top = table.visible(at: entry.mountPoint), top.type == TargetMount.fileSystemType else { return true }
      return connections.contains(top.minor) || top.mapsOwners != entry.mapsOwners
        || table.entries.contains { $0.parentID == entry.id && $0.mountPointBytes != entry.mountPointBytes }
    }
  }
}
