internal import LinuxSystem
internal import SystemPackage
internal import VolumeModel

/// Mounts that were lost and that processes of other mount namespaces, containers as a rule, still see.
enum StaleMounts {
  /// One process of each mount namespace that has a mount of one of these connections, as `cat (pid 4711)`, at most
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
        let table = try? MountTable.read(pid: pid),
        table.entries.contains(where: {
          $0.type == TargetMount.fileSystemType && connections.contains($0.minor)
            && !PathComponents.has($0.mountPoint, prefix: folder + "/")
        })
      else { continue }
      let name = (try? ProcessStatus(pid: pid))?.name ?? "a process"
      users.append("\(name) (pid \(pid))")
    }
    return users
  }
}
