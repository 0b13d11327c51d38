import Foundation
import LinuxSystem
import VolumeModel

/// Something that happens to the processes of a node while applications work.
struct Fault: Sendable {
  /// How many processes it ends.
  var kills = 1
  /// Does it, and returns once the driver serves again.
  var strike: @Sendable (NodeProcesses) async throws -> Void

  /// Nothing happens: what applications wait for anyhow on this machine.
  static let none = Fault(kills: 0) { _ in }

  static func worker(_ signal: CInt) -> Fault {
    Fault { node in
      let pid = try await hitWorker(node, signal)
      _ = try await node.served(exceptBy: pid)
    }
  }

  /// The mounter finds that the worker does not work any more, kills it, and starts the next.
  static let stoppedWorker = Fault { node in
    let status = try await node.served()
    let worker = try node.worker(status)
    try worker.signal(SIGSTOP)
    try node.ended(worker, "the stopped worker")
    let next = try await node.served(exceptBy: status.pid)
    guard case .unanswering? = next.history.deaths.last?.exit else {
      throw FaultError(
        "the worker's end was not seen as want of answers: \(next.history.deaths.last?.exit.cause ?? "none")")
    }
  }

  /// Each next worker is killed as soon as it is there, while a read waits from the beginning on.
  static let storm = Fault(kills: 6) { node in
    var status = try await node.served()
    try node.worker(status).signal(SIGSTOP)
    let connection = FuseConnection(number: status.connection)
    let limit = Deadline.after(.seconds(20))
    while try connection.waiting() == 0 {
      guard !limit.hasPassed else { throw FaultError("no application asks for anything") }
      usleep(500)
    }
    for number in 1...6 {
      let worker = try node.worker(status)
      try worker.signal(SIGKILL)
      try node.ended(worker, "a worker")
      if number < 6, let pid = status.pid { status = try await node.started(exceptBy: pid) }
    }
    _ = try await node.served(exceptBy: status.pid)
  }

  /// The worker's cgroup gets as little memory as it can do with at the moment, so that the kernel kills it for the next that it
  /// wants.
  static let outOfMemory = Fault { node in
    let status = try await node.served()
    let worker = try node.worker(status)
    guard let cgroup = try cgroup(of: worker.pid), try cgroup != Self.cgroup(of: node.servingMounter().pid) else {
      throw FaultError("the worker has no memory cgroup of its own")
    }
    let limit = Deadline.after(.seconds(20))
    while try !worker.hasEnded(within: 20) {
      guard !limit.hasPassed else { throw FaultError("the worker did not run out of memory") }
      // Refused (v1) where nothing more can be reclaimed: what comes next does not fit then.
      if let usage = try? cgroup.usage() { try? cgroup.setLimit(bytes: usage - min(usage, 64 << 10)) }
    }
    let next = try await node.served(exceptBy: status.pid)
    guard case .outOfMemory? = next.history.deaths.last?.exit else {
      throw FaultError(
        "the worker's end was not seen as want of memory: \(next.history.deaths.last?.exit.cause ?? "none")")
    }
  }

  private static func cgroup(of pid: Int32) throws -> MemoryCgroup? {
    MemoryCgroup.find(in: try MountTable.read(), membership: try WholeFile.text("/proc/\(pid)/cgroup"))
  }

  static func plugin(_ signal: CInt) -> Fault {
    Fault { node in
      try node.pluginProcess().signal(signal)
      try node.ended(node.pluginProcess(), "the plugin")
      try await node.startNextPlugin()
      _ = try await node.served()
    }
  }

  /// The mounter that serves dies; its parent starts the next.
  static let servingMounter = Fault { node in
    try hitServingMounter(node)
    _ = try await node.served()
  }

  /// The mounter's container is ended as the kubelet does, and started again.
  static let mounterContainer = Fault { node in
    let parent = try node.mounterContainer()
    try parent.signal(SIGTERM)
    try node.ended(parent, "the mounter")
    try node.startNextMounter()
    _ = try await node.served()
  }

  /// The next mounter is started beside the one that serves, and takes over from it.
  static let mounterUpgrade = Fault(kills: 0) { node in
    let before = try await node.served()
    try node.followMounter()
    _ = try await node.moved(after: before)
  }

  /// The volume moves to a fresh worker, as to one of another build.
  static let workerUpgrade = Fault(kills: 0) { node in
    let before = try await node.served()
    try node.mounterContainer().signal(SIGHUP)
    _ = try await node.moved(after: before)
  }

  /// The mounter is followed, then the plugin ends as the kubelet ends it, and the next one starts.
  static let bothUpgraded = Fault(kills: 0) { node in
    try await mounterUpgrade.strike(node)
    try await plugin(SIGTERM).strike(node)
  }

  static let mounterThenPlugin = Fault(kills: 2) { node in
    try await servingMounter.strike(node)
    try await plugin(SIGKILL).strike(node)
  }

  static let mounterAndPlugin = Fault(kills: 2) { node in
    try node.pluginProcess().signal(SIGKILL)
    try hitServingMounter(node)
    try node.ended(node.pluginProcess(), "the plugin")
    try await node.startNextPlugin()
    _ = try await node.served()
  }

  static let workerAndMounter = Fault(kills: 2) { node in
    let status = try await node.served()
    let (worker, mounter) = (try node.worker(status), try node.servingMounter())
    try mounter.signal(SIGKILL)
    try worker.signal(SIGKILL)
    try node.ended(mounter, "the mounter")
    _ = try await node.served(exceptBy: status.pid)
  }

  static let workerAndPlugin = Fault(kills: 2) { node in
    try node.pluginProcess().signal(SIGKILL)
    let pid = try await hitWorker(node, SIGKILL)
    try node.ended(node.pluginProcess(), "the plugin")
    try await node.startNextPlugin()
    _ = try await node.served(exceptBy: pid)
  }

  /// Everything is gone at once, as when the node is started again, but for the mounts, which are dead.
  static let reboot = Fault(kills: 4) { node in
    let (worker, container) = (try node.worker(try await node.served()), try node.mounterContainer())
    let serving = try node.servingMounter()
    for process in [node.pluginProcess(), container, serving, worker] { try? process.signal(SIGKILL) }
    for process in [node.pluginProcess(), container, serving, worker] { try node.ended(process, "a process") }
    try node.startNextMounter()
    try await node.startNextPlugin()
    _ = try await node.served()
  }

  /// The under file system does not take writes any more; the worker, which waits for it and cannot be ended, is killed
  /// every other time.
  static let hang = Fault { node in
    let status = try await node.served()
    let (worker, folder) = (try node.worker(status), node.setup.underFileSystem)
    try Freezer.freeze(folder)
    do {
      defer { try? Freezer.thaw(folder) }
      let limit = Deadline.after(.seconds(20))
      while try !waitsForDisk(worker.pid) {
        guard !limit.hasPassed else { throw FaultError("no write came to the frozen file system") }
        usleep(1_000)
      }
      if status.restarts % 2 == 0 { try worker.signal(SIGKILL) }
      usleep(200_000)
      guard try !worker.hasEnded() else { throw FaultError("a worker ended that waits for its disk") }
    }
    if status.restarts % 2 == 0 {
      try node.ended(worker, "the worker")
      _ = try await node.served(exceptBy: status.pid)
    }
  }

  /// The object store does not answer for a second, and the worker that waits for it is killed.
  static let hangingStore = Fault { node in
    guard let store = node.setup.store else { throw FaultError("the volume has no object store") }
    try store.process.signal(SIGSTOP)
    defer { try? store.process.signal(SIGCONT) }
    usleep(500_000)
    let pid = try await hitWorker(node, SIGKILL)
    usleep(500_000)
    try store.process.signal(SIGCONT)
    _ = try await node.served(exceptBy: pid)
  }

  /// Whether a thread is in state D.
  private static func waitsForDisk(_ pid: Int32) throws -> Bool {
    try DirectoryNames.list("/proc/\(pid)/task").contains { name in
      (try? WholeFile.text("/proc/\(pid)/task/\(name)/stat"))?.split(separator: ")").last?.hasPrefix(" D") ?? false
    }
  }

  /// The disk of the under file system is lost, and the worker killed.
  static let lostDisk = Fault { node in
    // From the second time on it is lost already.
    try? Freezer.shutDown(node.setup.underFileSystem)
    let pid = try await hitWorker(node, SIGKILL)
    _ = try await node.served(exceptBy: pid)
  }

  private static func hitWorker(_ node: NodeProcesses, _ signal: CInt) async throws -> Int32? {
    let status = try await node.served()
    let worker = try node.worker(status)
    try worker.signal(signal)
    try node.ended(worker, "the worker")
    return status.pid
  }

  private static func hitServingMounter(_ node: NodeProcesses) throws {
    let mounter = try node.servingMounter()
    try mounter.signal(SIGKILL)
    try node.ended(mounter, "the mounter")
  }
}
