import CSIDriver
import Glibc
import LinuxSystem
import Mounter
import SystemPackage
import TestSupport
import Testing
import VolumeModel

/// Mounters that die while others hold copies of their volumes: the plugin, and the parent that its own mounter has.
@Suite("Node custody", .serialized, .requiresFuse)
struct NodeCustodyTests {
  /// Writes numbers through the mount, each with fsync, and reads them back, until the file `stop` is there. It ends with 0
  /// only if no operation failed and no number was lost or doubled.
  private static let load = """
    set -eu; cd "$1"; exec 3>>log; number=0
    while [ ! -e stop ]; do
      number=$((number + 1)); echo "$number" >&3; test "$(tail -n 1 log)" = "$number"
      echo "$number" >new; mv new renamed; test "$(cat renamed)" = "$number"
    done
    test "$(wc -l <log)" = "$number"
    """

  /// Runs `body` with a published volume under load; expects that the load has noticed nothing.
  private func underLoad(_ body: (PluginProcess) async throws -> Void) async throws {
    try await PluginProcess.with { plugin in
      try await plugin.calls.publish("v", at: plugin.target("a"), context: plugin.context)
      let spawn = Spawn(
        executable: "/bin/sh", arguments: ["sh", "-c", Self.load, "sh", plugin.target("a")],
        environment: ["PATH=/usr/bin:/bin"])
      let load = try spawn.start()
      defer { try? load.signal(SIGKILL) }
      try await progress(plugin)
      try await body(plugin)
      try await progress(plugin)
      try plugin.folder.write("", to: "data/stop")
      #expect(try await OwnThread.run { try Waiting.untilEnded(load) } == .exited(code: 0))
      try await plugin.calls.unpublish("v", at: plugin.target("a"))
      #expect(try await plugin.isClean())
    }
  }

  /// Until the load has written more.
  private func progress(_ plugin: PluginProcess) async throws {
    let log = "\(plugin.data)/log"
    let before = (try? WholeFile.text(log).utf8.count) ?? 0
    try await OwnThread.run {
      try Waiting.untilFolder(plugin.data) { ((try? WholeFile.text(log).utf8.count) ?? 0) > before }
    }
  }

  /// The volume as its mounter has it, once a worker serves it and the plugin has a copy.
  private func kept(_ plugin: PluginProcess, exceptBy pid: Int32? = nil) async throws -> WorkerStatus {
    let limit = Deadline.after(.patient)
    while !limit.hasPassed {
      if let status = try? await plugin.mounter.list(by: .after(.patient)).first, status.state == .ready,
        status.pid != pid, let custody = status.custody, !custody.custodians.isEmpty, custody.missing.isEmpty
      {
        return status
      }
    }
    throw Errno.timedOut
  }

  @Test("mounter and plugin are killed at once: the mounter's parent has kept everything")
  func mounterAndPluginKilled() async throws {
    try await underLoad { plugin in
      for _ in 1...3 {
        let before = try await kept(plugin)
        try plugin.killMounter(andParent: false) { try plugin.kill() }
        try await plugin.restart()
        let after = try await kept(plugin)
        #expect(after.pid == before.pid && after.connection == before.connection && after.restarts == 0)
        try await progress(plugin)
      }
    }
  }

  @Test("the mounter is killed with its parent: the plugin starts the next one, which goes on with the same worker")
  func mounterKilled() async throws {
    try await underLoad { plugin in
      for _ in 1...3 {
        let before = try await kept(plugin)
        try plugin.killMounter()
        let after = try await kept(plugin)
        #expect(after.pid == before.pid && after.connection == before.connection && after.restarts == 0)
        try await progress(plugin)
      }
    }
  }

  @Test("worker, mounter and its parent are killed at once: the next worker goes on with the same connection")
  func workerAndMounterKilled() async throws {
    try await underLoad { plugin in
      for _ in 1...3 {
        let before = try await kept(plugin)
        // Stopped, the mounter cannot start the next worker.
        try plugin.killMounter { if let pid = before.pid { try PidFD(pid: pid).signal(SIGKILL) } }
        let after = try await kept(plugin, exceptBy: before.pid)
        #expect(after.connection == before.connection)
        try await progress(plugin)
      }
    }
  }

  @Test("mounter and plugin are killed in turn, each as soon as the other is back")
  func inTurn() async throws {
    try await underLoad { plugin in
      let first = try await kept(plugin)
      for _ in 1...3 {
        try plugin.killMounter()
        _ = try await kept(plugin)
        try plugin.kill()
        try await plugin.restart()
        let status = try await kept(plugin)
        #expect(status.pid == first.pid && status.connection == first.connection)
        try await progress(plugin)
      }
    }
  }

  @Test("worker and plugin are killed at once: the mounter goes on, and the next plugin gets its copies")
  func workerAndPluginKilled() async throws {
    try await underLoad { plugin in
      for _ in 1...3 {
        let before = try await kept(plugin)
        if let pid = before.pid { try PidFD(pid: pid).signal(SIGKILL) }
        try plugin.kill()
        try await plugin.restart()
        let after = try await kept(plugin, exceptBy: before.pid)
        #expect(after.connection == before.connection)
        try await progress(plugin)
      }
    }
  }

  @Test("the plugin's mounter is followed by another: the plugin finds it, and gives it its copies when it dies")
  func mounterFollowed() async throws {
    try await underLoad { plugin in
      let before = try await kept(plugin)
      let program = try builtProduct("alluxio-mounter")
      let follower = try Spawn(
        executable: program,
        arguments: [
          program, "--socket", plugin.folder.appending("state/mounter/mounter.sock"), "--state-dir",
          plugin.folder.appending("state"), "--take-over",
        ]
      ).start()
      let after = try await kept(plugin, exceptBy: before.pid)
      #expect(after.connection == before.connection && after.history.deaths.map(\.exit) == [.replaced])
      try await progress(plugin)
      try follower.signal(SIGKILL)
      _ = try await OwnThread.run { try Waiting.untilEnded(follower) }
      let next = try await kept(plugin)
      #expect(next.pid == after.pid && next.connection == before.connection)
    }
  }

  @Test("the status says who keeps copies: the mounter's parent, and the plugin while it lives")
  func shown() async throws {
    try await PluginProcess.with { plugin in
      try await plugin.calls.publish("v", at: plugin.target("a"), context: plugin.context)
      #expect(try await kept(plugin).custody?.custodians.first?.hasPrefix("alluxio-csi ") == true)
      try plugin.kill()
      let status = try await plugin.mounter.list(by: .after(.patient)).first
      #expect(status?.custody?.custodians.map { $0.prefix(7) } == ["parent "])
      try await plugin.restart()
      _ = try await kept(plugin)
      try await plugin.calls.unpublish("v", at: plugin.target("a"))
    }
  }
}
