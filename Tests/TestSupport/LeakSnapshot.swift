import LinuxSystem
package import SystemPackage

/// What a process holds at one moment, to compare before and after. Take it when no other test of the process runs.
package struct LeakSnapshot: Sendable, Hashable {
  /// Targets of `/proc/self/fd`, sockets and pipes as `socket` and `pipe`, by how often they occur.
  package var descriptors: [String: Int]
  /// Children that run or were not waited for.
  package var children: Set<Int32>
  /// Mount points of this driver's FUSE file systems.
  package var mounts: [String]

  /// Names of memfds among the descriptors.
  package var memfds: [String: Int] { descriptors.filter { $0.key.hasPrefix("/memfd:") } }

  /// - Parameters:
  ///   - pid: nil: this process.
  ///   - folder: only mounts at it and beneath it count: other tests, and other people, mount too. Nil: none.
  package init(ofPid pid: Int32? = nil, mountsBeneath folder: String?) throws(Errno) {
    let process = "/proc/\(pid.map(String.init) ?? "self")"
    var targets: [String: Int] = [:]
    for name in try DirectoryNames.list("\(process)/fd") {
      // The descriptor that listed the folder is gone by now.
      guard let target = try? SymbolicLink.read("\(process)/fd/\(name)") else { continue }
      let text = String(decoding: target, as: UTF8.self)
      targets[Self.kind(text), default: 0] += 1
    }
    descriptors = targets
    children = Set(try ProcessTable.children(of: pid))
    let around = try folder.map { (folder) throws(Errno) in try MountTable.read().beneath(folder) } ?? []
    mounts = around.filter { $0.type == "fuse.alluxio-fuse" }.map(\.mountPoint).sorted()
  }

  /// `socket:[123]` without its number; anything else as it is.
  private static func kind(_ target: String) -> String {
    guard target.hasSuffix("]"), let bracket = target.lastIndex(of: "["), target[..<bracket].hasSuffix(":"),
      target[target.index(after: bracket)...].dropLast().allSatisfy(\.isNumber)
    else { return target }
    return String(target[..<bracket].dropLast())
  }

  /// What is here and was not in `before`, one line each; empty when nothing leaked.
  /// - Parameter rounds: how often that was done which might leak. What has grown by fewer descriptors was made once for
  ///   the process, as libdispatch's timers are.
  package func leaks(since before: LeakSnapshot, rounds: Int = 1) -> [String] {
    var lines: [String] = []
    for (target, count) in descriptors.sorted(by: { $0.key < $1.key }) {
      let more = count - (before.descriptors[target] ?? 0)
      if more >= rounds { lines.append("\(more) × descriptor \(target)") }
    }
    for pid in children.subtracting(before.children).sorted() {
      let name = (try? ProcessStatus(pid: pid))?.name ?? "?"
      lines.append("child \(pid) (\(name))")
    }
    for mount in mounts where !before.mounts.contains(mount) { lines.append("mount \(mount)") }
    return lines
  }
}
