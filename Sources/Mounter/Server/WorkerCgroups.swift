internal import LinuxSystem
internal import Logging
internal import SystemPackage
internal import VolumeModel

/// Where workers get cgroups of their own.
package enum CgroupSetting: Sendable, Hashable {
  /// Beneath the mounter's own cgroup, where that can be written.
  case automatic
  case off
  /// Beneath the cgroup with this folder.
  case beneath(String)
}

/// How the cgroups of a mounter's workers are told from others.
package enum WorkerCgroupName {
  /// - Parameter stateDirectory: of the mounter.
  package static func prefix(stateDirectory: String) -> String {
    "alluxio-\(Digest.sha256Hex(stateDirectory).prefix(8))-"
  }
}

/// A leaf of the memory controller for each worker: it bears the volume's `memoryLimit`, and tells whether the kernel has
/// killed the worker for memory. Each worker gets a new one, so that what its predecessor had used, the pages of the shared
/// state among it, does not count for it.
final class WorkerCgroups {
  private let log: Logger
  /// Nil where there are no cgroups to be had.
  private let parent: MemoryCgroup?
  /// Of the names of this mounter's leaves: other mounters may share the parent.
  private let prefix: String
  /// Leaves that could not be removed yet.
  private var left: Set<MemoryCgroup> = []

  /// How much sooner the kernel takes a worker than its mounter.
  private static let scoreBeforeMounter = 300

  /// - Parameters:
  ///   - relatives: processes of the mounter that may be moved into a leaf of their own.
  ///   - controller: what leaves are to limit.
  init(
    _ setting: CgroupSetting, stateDirectory: String, relatives: Set<Int32>, controller: String = "memory", log: Logger
  ) {
    self.log = log
    prefix = WorkerCgroupName.prefix(stateDirectory: stateDirectory)
    do throws(Errno) {
      parent = try Self.parent(setting, relatives: relatives, controller)
      if parent == nil, setting != .off { Self.complain("no memory controller is mounted", log) }
    } catch {
      parent = nil
      Self.complain(Self.reason(error), log)
    }
  }

  private static func reason(_ error: Errno) -> String {
    switch error {
    case .resourceBusy: "other processes are in the mounter's cgroup: give it one of its own, or --cgroup PATH"
    case .operationNotSupportedByDevice: "the cgroup has no memory controller"
    default: "\(error)"
    }
  }

  private static func parent(
    _ setting: CgroupSetting, relatives: Set<Int32>, _ controller: String
  ) throws(Errno) -> MemoryCgroup? {
    let parent: MemoryCgroup?
    switch setting {
    case .off: return nil
    case .automatic: parent = try MemoryCgroup.own()
    case .beneath(let folder):
      let isUnified = (try? WholeFile.text("\(folder)/cgroup.controllers")) != nil
      parent = MemoryCgroup(folder: folder, version: isUnified ? .v2 : .v1)
    }
    guard let parent else { return nil }
    try parent.delegate(controller, movingOwn: relatives, to: "mounter")
    // Whether leaves can be made shows only when one is.
    let probe = parent.child("alluxio-probe-\(ProcessUser.pid)")
    try probe.make()
    try probe.remove()
    return parent
  }

  private static func complain(_ reason: String, _ log: Logger) {
    log.warning(
      "workers run in no cgroups of their own, and memoryLimit is not enforced", metadata: ["reason": "\(reason)"])
  }

  /// Puts a worker that has just been started, and has not allocated anything to speak of, into a leaf with that limit.
  /// - Returns: nil where it stays in the mounter's cgroup.
  func place(pid: Int32, _ key: WorkerKey, generation: UInt32, limit: UInt64?) -> MemoryCgroup? {
    lowerChances(pid)
    guard let parent else { return nil }
    removeLeft()
    let leaf = parent.child(name(key, generation))
    do throws(Errno) {
      try leaf.make()
      if let limit { try leaf.setLimit(bytes: limit) }
      try leaf.add(pid: pid)
      return leaf
    } catch {
      try? leaf.remove()
      log.error(
        "a worker runs in no cgroup of its own",
        metadata: ["worker": "\(key.name)", "cgroup": "\(leaf.folder)", "error": "\(error)"])
      return nil
    }
  }

  /// Makes a leaf for a worker that waits for a volume. The caller adds the process, which takes a while.
  /// - Returns: nil where it stays in the mounter's cgroup.
  func prepare(pid: Int32) -> MemoryCgroup? {
    lowerChances(pid)
    removeLeft()
    guard let leaf = parent?.child("\(prefix)standby-\(pid)"), (try? leaf.make()) != nil else { return nil }
    return leaf
  }

  /// The worker of this leaf has got a volume.
  func limit(_ leaf: MemoryCgroup?, to bytes: UInt64?, _ key: WorkerKey) {
    guard let leaf, let bytes else { return }
    do throws(Errno) { try leaf.setLimit(bytes: bytes) } catch {
      log.error(
        "a worker runs without its memoryLimit",
        metadata: ["worker": "\(key.name)", "cgroup": "\(leaf.folder)", "error": "\(error)"])
    }
  }

  /// The leaf of a worker that an earlier mounter had started; nil where it has none.
  func leaf(of pid: Int32) -> MemoryCgroup? {
    guard let parent, let table = try? MountTable.read(), let text = try? WholeFile.text("/proc/\(pid)/cgroup"),
      let leaf = MemoryCgroup.find(in: table, membership: text, version: parent.version),
      leaf.folder.hasPrefix("\(parent.folder)/\(prefix)")
    else { return nil }
    return leaf
  }

  /// How a worker of that leaf ended, in truth: SIGKILL comes from the kernel more often than from people.
  func cause(of exit: WorkerExit, in leaf: MemoryCgroup?, limit: UInt64?) -> WorkerExit {
    guard exit == .signaled(9) || exit == .unknown, let found = try? leaf?.outOfMemory(), found.killed else {
      return exit
    }
    return .outOfMemory(limitBytes: found.atOwnLimit ? limit ?? 0 : 0)
  }

  /// The worker of this leaf is gone.
  func remove(_ leaf: MemoryCgroup?) {
    guard let leaf else { return }
    left.insert(leaf)
    removeLeft()
  }

  /// Removes leaves that an earlier mounter of this state folder has left, but those in use.
  func sweep(keeping used: [MemoryCgroup]) {
    guard let parent, let names = try? DirectoryNames.list(parent.folder) else { return }
    left.formUnion(names.filter { $0.hasPrefix(prefix) }.map(parent.child).filter { !used.contains($0) })
    removeLeft()
  }

  private func removeLeft() { left = left.filter { (try? $0.remove()) == nil } }

  private func name(_ key: WorkerKey, _ generation: UInt32) -> String { "\(prefix)\(key.name)-\(generation)" }

  /// When memory runs out the kernel takes the worker, which is started again, before its mounter.
  private func lowerChances(_ pid: Int32) {
    do throws(Errno) {
      let own = Int(try WholeFile.text("/proc/self/oom_score_adj").prefix { $0 != "\n" }) ?? 0
      try OutOfMemoryScore.adjust(max(own, min(1000, own + Self.scoreBeforeMounter)), pid: pid)
    } catch {
      log.warning("the worker's score for out of memory stays", metadata: ["pid": "\(pid)", "error": "\(error)"])
    }
  }
}
