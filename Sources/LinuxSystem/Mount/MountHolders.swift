internal import CLinux
import Glibc
package import SystemPackage

/// Which processes keep a mount from being unmounted.
///
/// Reads /proc only and never looks at the mount, but `maps` of a process that hangs in a page fault can hang too: run it
/// with a deadline.
package enum MountHolders {
  /// Processes of this mount namespace that use the mount, each once, with the first use found.
  /// - Parameter limit: stop after so many.
  package static func find(_ mount: MountEntry, limit: Int = 10) throws(Errno) -> [ProcessReference] {
    let table = try MountTable.read()
    let namespace = try SymbolicLink.read("/proc/thread-self/ns/mnt")
    var found: [ProcessReference] = []
    for pid in try ProcessTable.pids() where found.count < limit {
      guard (try? SymbolicLink.read("/proc/\(pid)/ns/mnt")) == namespace,
        let use = use(of: mount, by: pid, in: table)
      else { continue }
      let command = (try? WholeFile.text("/proc/\(pid)/comm")) ?? "?"
      found.append(ProcessReference(pid: pid, command: String(command.prefix { $0 != "\n" }), use: use))
    }
    return found
  }

  private static func use(of mount: MountEntry, by pid: Int32, in table: MountTable) -> ProcessReference.Use? {
    func leadsThere(_ link: String) -> Bool {
      guard let target = try? SymbolicLink.read("/proc/\(pid)/\(link)") else { return false }
      return table.containing(String(decoding: target, as: UTF8.self))?.id == mount.id
    }
    if leadsThere("cwd") { return .workingDirectory }
    if leadsThere("root") { return .rootDirectory }
    if hasOpenFile(on: mount, pid) { return .openFile }
    if hasMappedFile(on: mount, pid) { return .mappedFile }
    return nil
  }

  /// fdinfo names the mount by its id.
  private static func hasOpenFile(on mount: MountEntry, _ pid: Int32) -> Bool {
    let folder = "/proc/\(pid)/fdinfo"
    for name in (try? DirectoryNames.list(folder)) ?? [] {
      guard let text = try? WholeFile.text("\(folder)/\(name)") else { continue }
      for line in text.split(separator: "\n") where line.hasPrefix("mnt_id:") {
        if Int(line.dropFirst(7).filter { $0.isNumber }) == mount.id { return true }
      }
    }
    return false
  }

  /// maps names the device, in hexadecimal, in its fourth column, and the path after the inode.
  private static func hasMappedFile(on mount: MountEntry, _ pid: Int32) -> Bool {
    func hexadecimal(_ number: UInt32) -> String {
      let digits = String(number, radix: 16)
      return digits.count < 2 ? "0" + digits : digits
    }
    let device = "\(hexadecimal(mount.major)):\(hexadecimal(mount.minor))"
    guard let maps = try? WholeFile.text("/proc/\(pid)/maps") else { return false }
    let prefix = mount.mountPoint == "/" ? "/" : mount.mountPoint + "/"
    return maps.split(separator: "\n").contains { line in
      let fields = line.split(separator: " ", maxSplits: 5, omittingEmptySubsequences: true)
      guard fields.count == 6, fields[3] == device else { return false }
      return fields[5].drop { $0 == " " }.hasPrefix(prefix)
    }
  }
}
