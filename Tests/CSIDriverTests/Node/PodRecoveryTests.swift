import ApplicationLoad
import LinuxSystem
import SystemPackage
import TestSupport
import Testing
import VolumeModel

@testable import CSIDriver

extension LostMounts {
  @Suite("Pods whose mount was lost", .serialized, .requiresFuse, .requiresProgram("unshare"))
  struct PodRecoveryTests {}
}

/// Containers have copies of a target's mount, which nothing that is mounted at the target reaches.
extension LostMounts.PodRecoveryTests {
  /// Everything is killed, and the next plugin has made the volume's mount again.
  /// - Returns: the volume's condition.
  private func lose(_ plugin: PluginProcess, _ meanwhile: () throws -> Void = {}) async throws -> VolumeCondition {
    try await plugin.killAll()
    try meanwhile()
    try await plugin.restart()
    return try await plugin.waitForCondition(at: "a") {
      $0.message.hasPrefix("recovered: ") || $0.message.contains("still see the mount that was lost")
    }
  }

  private func expectOneMount(_ plugin: PluginProcess, at names: String...) throws {
    for name in names { #expect(try MountTable.read().all(at: plugin.target(name)).count == 1) }
  }

  private func group(at path: String) throws -> Int? { try MountTable.read().visible(at: path)?.sharedGroup }

  @Test("one that receives mounts has its files again after each of two losses, read-only where it was")
  func received() async throws {
    try await PluginProcess.withSharedFolders { plugin in
      try plugin.folder.write("x", to: "data/file")
      try await plugin.calls.publish("v", at: plugin.target("a"), context: plugin.context)
      try await plugin.calls.publish("v", at: plugin.target("b"), context: plugin.context, readOnly: true)
      let writer = try PodProcess(plugin, "writer", of: "a", .hostToContainer)
      let reader = try PodProcess(plugin, "reader", of: "b", .hostToContainer)
      for loss in 1...2 {
        var answer = ""
        let condition = try await lose(plugin) { answer = try writer.run("cat $1/file") }
        #expect(answer.contains("not connected"))
        #expect(condition.message.hasPrefix("recovered: "), "\(condition.message)")
        for pod in [writer, reader] { #expect(try pod.run("cat $1/file") == "x") }
        #expect(try writer.run("echo \(loss) > $1/new && cat $1/new") == "\(loss)")
        #expect(try reader.run("cat $1/new") == "\(loss)")
        #expect(try reader.run("echo 3 > $1/new").contains("Read-only file system"))
        #expect(try reader.mounts().last?.flags.isSuperset(of: [.readOnly, .noSetUserID, .noDevices]) == true)
        // The lost ones stay beneath.
        for pod in [writer, reader] { #expect(try pod.mounts().count == 1 + loss) }
        try expectOneMount(plugin, at: "a", "b")
      }
      for name in ["a", "b"] { try await plugin.calls.unpublish("v", at: plugin.target(name)) }
      for pod in [writer, reader] { try pod.finish() }
      #expect(try plugin.mounts().sorted() == ["kubelet", "state"].map(plugin.folder.appending))
    }
  }

  @Test("those that receive none, see a part or have mounts within are named as the ones to restart; the others go on")
  func notReceived() async throws {
    try await PluginProcess.withSharedFolders { plugin in
      try plugin.folder.write("x", to: "data/file")
      try await plugin.calls.publish("v", at: plugin.target("a"), context: plugin.context)
      let lasting = try PodProcess(plugin, "lasting", of: "a", .hostToContainer)
      let stale = try PodProcess(plugin, "stale", of: "a", .none)
      #expect(try lasting.run("mkdir $1/part $1/within && echo x > $1/part/file") == "")
      let part = try PodProcess(plugin, "part", of: "a/part", .hostToContainer)
      let nesting = try PodProcess(plugin, "nesting", of: "a", .hostToContainer)
      #expect(try nesting.run("mount -t tmpfs none $1/within") == "")
      let condition = try await lose(plugin)
      #expect(condition.abnormal)
      for pod in [stale, part, nesting] { #expect(condition.message.contains("(pid \(pod.pid))")) }
      #expect(!condition.message.contains("(pid \(lasting.pid))"))
      #expect(condition.message.contains("mountPropagation: HostToContainer"))
      for pod in [lasting, nesting] { #expect(try pod.run("cat $1/file") == "x") }
      for pod in [stale, part] { #expect(try pod.run("cat $1/file").contains("not connected")) }
      for pod in [stale, part, nesting] { try pod.finish() }
      _ = try await plugin.waitForCondition(at: "a") { $0.message.hasPrefix("recovered: ") }
      try lasting.finish()
      try await plugin.calls.unpublish("v", at: plugin.target("a"))
    }
  }

  @Test("targets and the worker's mount share nothing that is mounted on them")
  func ownGroups() async throws {
    try await PluginProcess.withSharedFolders { plugin in
      for name in ["a", "b"] { try await plugin.calls.publish("v", at: plugin.target(name), context: plugin.context) }
      let groups = try [plugin.target("a"), plugin.target("b"), plugin.source("v")].map { try group(at: $0) }
      #expect(!groups[0...1].contains(nil) && Set(groups).count == 3, "\(groups)")
      for name in ["a", "b"] { try await plugin.calls.unpublish("v", at: plugin.target(name)) }
    }
  }

  @Test("where targets share their mounts, as those of older plugins, none gets the flags of another one")
  func sharedGroup() async throws {
    try await PluginProcess.withSharedFolders { plugin in
      try plugin.folder.write("x", to: "data/file")
      try await plugin.calls.publish("v", at: plugin.target("a"), context: plugin.context)
      try await plugin.calls.publish("v", at: plugin.target("b"), context: plugin.context, readOnly: true)
      for (name, flags) in [("a", LinuxSystem.MountFlags.volume), ("b", [.volume, .readOnly])] {
        try Mount.unmount(plugin.target(name), flags: [.detach])
        try Mount.bind(from: plugin.source("v"), to: plugin.target(name), flags: flags)
      }
      #expect(try group(at: plugin.target("a")) == group(at: plugin.target("b")))
      let pods = [
        try PodProcess(plugin, "writer", of: "a", .hostToContainer),
        try PodProcess(plugin, "reader", of: "b", .hostToContainer),
      ]
      let condition = try await lose(plugin) {
        let folder = plugin.folder.appending("state/targets")
        for record in try DirectoryNames.list(folder) {
          let text = try WholeFile.text("\(folder)/\(record)")
          let old = text.replacing(/"ownGroupConnection":[0-9]+,/, with: "")
          #expect(old != text)
          try plugin.folder.write(old, to: "state/targets/\(record)")
        }
      }
      for pod in pods {
        #expect(condition.message.contains("(pid \(pod.pid))"))
        #expect(try pod.mounts().count == 1)
      }
      try expectOneMount(plugin, at: "a", "b")
      #expect(try group(at: plugin.target("a")) != group(at: plugin.target("b")))
      for pod in pods { try pod.finish() }
      let late = try PodProcess(plugin, "late", of: "b", .hostToContainer)
      _ = try await lose(plugin)
      #expect(try late.run("cat $1/file") == "x")
      #expect(try late.run("echo 3 > $1/new").contains("Read-only file system"))
      try late.finish()
      for name in ["a", "b"] { try await plugin.calls.unpublish("v", at: plugin.target(name)) }
    }
  }
}

@Suite("Who sees a lost mount")
struct StaleMountsTests {
  private func isSeen(_ lines: String...) -> Bool {
    let root = "1 0 8:1 / / rw shared:1 - ext4 /dev/sda rw"
    let table = MountTable(parsing: Array(([root] + lines).joined(separator: "\n").utf8))
    return StaleMounts.isSeen([41], in: table, besides: "/state/volumes")
  }

  @Test("a lost mount is seen unless a living one of a volume covers it, with the same owners and nothing within")
  func covered() {
    let lost = "2 1 0:41 / /data rw,nosuid master:3 - fuse.alluxio-fuse ufs rw"
    #expect(isSeen(lost))
    let living = "3 2 0:42 / /data rw,nosuid master:4 - fuse.alluxio-fuse ufs rw"
    #expect(!isSeen(lost, living))
    #expect(isSeen(lost, living, "4 2 0:43 / /data/within rw - tmpfs none rw"))
    #expect(!isSeen(lost, living, "4 3 0:43 / /data/within rw - tmpfs none rw"))
    #expect(isSeen(lost, "3 2 0:42 / /data rw - tmpfs none rw"))
    #expect(isSeen(lost, living, "4 3 0:41 / /data rw - fuse.alluxio-fuse ufs rw"))
    #expect(isSeen(lost, "3 1 0:42 / /elsewhere rw - fuse.alluxio-fuse ufs rw"))
    let mapped = "2 1 0:41 / /data rw,nosuid,idmapped master:3 - fuse.alluxio-fuse ufs rw"
    #expect(isSeen(mapped, living))
    #expect(!isSeen(mapped, "3 2 0:42 / /data rw,nosuid,idmapped master:4 - fuse.alluxio-fuse ufs rw"))
  }

  @Test("living mounts, other file systems and the plugin's own source mounts are nothing lost")
  func others() {
    #expect(!isSeen("2 1 0:42 / /data rw - fuse.alluxio-fuse ufs rw"))
    #expect(!isSeen("2 1 0:41 / /data rw - tmpfs none rw"))
    #expect(!isSeen("2 1 0:41 / /state/volumes/x/mount rw - fuse.alluxio-fuse ufs rw"))
  }
}
