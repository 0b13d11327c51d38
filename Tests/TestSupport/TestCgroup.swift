internal import Glibc
internal import LinuxSystem
import Synchronization
package import SystemPackage

/// A cgroup beneath the root of the unified hierarchy, for one test. While there are any, the root hands down the
/// controllers that it has.
package struct TestCgroup: Sendable {
  package let folder: String

  /// Where the unified hierarchy is mounted; nil where it is not, or cannot be written.
  package static let root: String? = {
    guard let entry = try? MountTable.read().entries.last(where: { $0.type == "cgroup2" }) else { return nil }
    return access(entry.mountPoint, W_OK) == 0 ? entry.mountPoint : nil
  }()

  /// Those that live, and the controllers that the root has not handed down before.
  private static let living = Mutex<(count: Int, added: [String])>((0, []))

  package init() throws(Errno) {
    guard let root = Self.root else { throw .notSupported }
    Self.living.withLock { living in
      living.count += 1
      if living.count > 1 { return }
      let before = Self.words("\(root)/cgroup.subtree_control")
      living.added = Self.words("\(root)/cgroup.controllers").filter { !before.contains($0) }
      for controller in living.added { try? WholeFile.write("+\(controller)", to: "\(root)/cgroup.subtree_control") }
    }
    folder = "\(root)/alluxio-test-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
    do throws(Errno) { try Folder.make(folder, mode: 0o755) } catch {
      Self.restore(root)
      throw error
    }
  }

  /// Controllers that it can hand down itself.
  package var controllers: [String] { Self.words("\(folder)/cgroup.controllers") }

  /// With all cgroups beneath it; their processes are ended.
  package func remove() {
    try? WholeFile.write("1", to: "\(folder)/cgroup.kill")
    let limit = Deadline.after(.milliseconds(Int64(Waiting.limit)))
    while !limit.hasPassed {
      for name in (try? DirectoryNames.list(folder)) ?? [] { rmdir("\(folder)/\(name)") }
      if rmdir(folder) == 0 || errno == ENOENT { break }
    }
    if let root = Self.root { Self.restore(root) }
  }

  private static func restore(_ root: String) {
    living.withLock { living in
      living.count -= 1
      if living.count > 0 { return }
      for controller in living.added { try? WholeFile.write("-\(controller)", to: "\(root)/cgroup.subtree_control") }
    }
  }

  private static func words(_ path: String) -> [String] {
    ((try? WholeFile.text(path)) ?? "").split { $0 == " " || $0 == "\n" }.map(String.init)
  }
}
