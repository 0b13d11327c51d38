import CSIDriver
import GRPC
import Glibc
import LinuxSystem
import Mounter
import SystemPackage
import TestSupport
import Testing
import VolumeModel

/// The whole chain: plugin, mounter, worker, kernel.
@Suite("Node plugin", .serialized, .requiresFuse)
struct NodePluginTests {
  @Test("create, publish twice, read and write, unpublish, delete: nothing is left")
  func wholeChain() async throws {
    try await PluginProcess.with { plugin in
      let volume = try await plugin.calls.create("pvc-1", parameters: plugin.context)
      try plugin.folder.write("from below", to: "data/below")
      try await plugin.calls.publish(volume.id, at: plugin.target("rw"), context: volume.context)
      try await plugin.calls.publish(volume.id, at: plugin.target("ro"), context: volume.context, readOnly: true)
      #expect(try WholeFile.text(plugin.target("rw/below")) == "from below")
      try plugin.folder.write("from above", to: "kubelet/rw/above")
      #expect(try WholeFile.text(plugin.target("ro/above")) == "from above")
      #expect(try WholeFile.text(plugin.data + "/above") == "from above")
      #expect(throws: Errno.readOnlyFileSystem) { try plugin.folder.write("x", to: "kubelet/ro/new") }
      let refused = await #expect(throws: RPCError.self) { try await plugin.calls.delete(volume.id) }
      #expect(refused?.code == .failedPrecondition)
      try await plugin.calls.unpublish(volume.id, at: plugin.target("rw"))
      try await plugin.calls.unpublish(volume.id, at: plugin.target("ro"))
      #expect(try await plugin.isClean())
      try await plugin.calls.delete(volume.id)
      #expect(try WholeFile.text(plugin.data + "/above") == "from above")
    }
  }

  @Test("the node says who it is and what it offers")
  func infoAndCapabilities() async throws {
    try await PluginProcess.with(["--max-volumes", "7"]) { plugin in
      let info = try await plugin.calls.info()
      #expect(info.nodeID == "node")
      #expect(info.maximumVolumes == 7)
      #expect(Set(try await plugin.calls.capabilities()) == [2, 3, 4, 5, 6])
    }
  }

  @Test("ten targets at once have one worker")
  func tenTargets() async throws {
    try await PluginProcess.with { plugin in
      try await withThrowingTaskGroup(of: Void.self) { group in
        for index in 0..<10 {
          group.addTask { try await plugin.calls.publish("v", at: plugin.target("t\(index)"), context: plugin.context) }
        }
        try await group.waitForAll()
      }
      #expect(try await plugin.mounter.list(by: .after(.patient)).count == 1)
      try plugin.folder.write("x", to: "kubelet/t0/file")
      for index in 0..<10 { #expect(try WholeFile.text(plugin.target("t\(index)/file")) == "x") }
      for index in 0..<10 { try await plugin.calls.unpublish("v", at: plugin.target("t\(index)")) }
      #expect(try await plugin.isClean())
    }
  }

  @Test("two publishes of one target at once: never two mounts, and whoever fails was ABORTED")
  func twoAtOnce() async throws {
    try await PluginProcess.with { plugin in
      for _ in 0..<5 {
        let codes = await withTaskGroup(of: StatusCode?.self) { group in
          for _ in 0..<2 {
            group.addTask {
              do throws(RPCError) {
                try await plugin.calls.publish("v", at: plugin.target("a"), context: plugin.context)
                return nil
              } catch { return error.code }
            }
          }
          return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(codes.contains(nil))
        #expect(codes.compactMap { $0 }.allSatisfy { $0 == .aborted })
        #expect(try MountTable.read().all(at: plugin.target("a")).count == 1)
        try await plugin.calls.unpublish("v", at: plugin.target("a"))
      }
    }
  }

  @Test(
    "an under file system that is absent, no directory, or outside the roots through a link is refused, and nothing is left"
  )
  func badUnderFileSystem() async throws {
    try await PluginProcess.with { plugin in
      try plugin.folder.write("x", to: "data/file")
      #expect(symlink("/etc", plugin.data + "/link") == 0)
      for (path, code) in [
        ("\(plugin.data)/absent", StatusCode.failedPrecondition), ("\(plugin.data)/file", .failedPrecondition),
        ("/etc", .permissionDenied), ("\(plugin.data)/link", .permissionDenied),
      ] {
        let error = await #expect(throws: RPCError.self) {
          try await plugin.calls.publish("v", at: plugin.target("a"), context: ["path": "file://\(path)"])
        }
        #expect(error?.code == code, "\(path): \(error?.message ?? "")")
        #expect(try await plugin.isClean())
      }
    }
  }

  @Test("inline volumes stay beneath their own roots")
  func inline() async throws {
    try await PluginProcess.with { plugin in
      let ephemeral = ["csi.storage.k8s.io/ephemeral": "true", "csi.storage.k8s.io/pod.name": "p"]
      let allowed = ephemeral.merging(["path": "file://\(plugin.folder.appending("inline"))"]) { $1 }
      try await plugin.calls.publish("csi-1", at: plugin.target("a"), context: allowed)
      try plugin.folder.write("x", to: "kubelet/a/file")
      try await plugin.calls.unpublish("csi-1", at: plugin.target("a"))
      let refused = ephemeral.merging(plugin.context) { $1 }
      let error = await #expect(throws: RPCError.self) {
        try await plugin.calls.publish("csi-2", at: plugin.target("b"), context: refused)
      }
      #expect(error?.code == .permissionDenied)
      #expect(try await plugin.isClean())
    }
  }

  @Test("a read-only under file system that is published read-write is read, and refuses writes with EROFS")
  func readOnlyUnderFileSystem() async throws {
    try await PluginProcess.with { plugin in
      try plugin.folder.write("x", to: "data/file")
      try Mount.bind(from: plugin.data, to: plugin.data, flags: [.readOnly])
      try await plugin.calls.publish("v", at: plugin.target("a"), context: plugin.context)
      #expect(try WholeFile.text(plugin.target("a/file")) == "x")
      #expect(throws: Errno.readOnlyFileSystem) { try plugin.folder.write("y", to: "kubelet/a/new") }
      try await plugin.calls.unpublish("v", at: plugin.target("a"))
      try Mount.unmount(plugin.data)
      #expect(try await plugin.isClean())
    }
  }

  @Test("a busy target is unpublished, and another one of the same volume goes on")
  func busy() async throws {
    try await PluginProcess.with { plugin in
      try await plugin.calls.publish("v", at: plugin.target("a"), context: plugin.context)
      try await plugin.calls.publish("v", at: plugin.target("b"), context: plugin.context)
      try plugin.folder.write("x", to: "data/file")
      let user = try Descriptor.open(plugin.target("a/file"), O_RDONLY)
      let other = try Descriptor.open(plugin.target("b/file"), O_RDONLY)
      try await plugin.calls.unpublish("v", at: plugin.target("a"))
      #expect(try other.readToEnd() == Array("x".utf8))
      #expect(try user.readToEnd() == Array("x".utf8))
      try user.close()
      try other.close()
      try await plugin.calls.unpublish("v", at: plugin.target("b"))
      #expect(try await plugin.isClean())
    }
  }

  @Test("volume statistics are those of the under file system, and an expansion shows in them")
  func statsAndExpand() async throws {
    try await PluginProcess.with { plugin in
      let parameters = plugin.context.merging(["provisioning": "directory", "directoryPattern": "${volume.id}"]) { $1 }
      let volume = try await plugin.calls.create("pvc-1", parameters: parameters, capacity: 64 << 20)
      let target = plugin.target("a")
      try await plugin.calls.publish(volume.id, at: target, context: volume.context)
      let stats = try await plugin.calls.stats(volume.id, at: target)
      #expect(stats.totals[1] == 64 << 20)
      #expect((stats.totals[2] ?? 0) > 0)
      #expect(!stats.condition.abnormal)
      #expect(try await plugin.calls.expand(volume.id, at: target, to: 128 << 20) == 128 << 20)
      #expect(try await plugin.calls.stats(volume.id, at: target).totals[1] == 128 << 20)
      try await plugin.calls.unpublish(volume.id, at: target)
      try await plugin.calls.delete(volume.id)
      #expect(try await plugin.isClean())
    }
  }

  @Test("a read-only worker begins to write when somebody publishes the volume read-write")
  func upgradesWorker() async throws {
    try await PluginProcess.with { plugin in
      try await plugin.calls.publish("v", at: plugin.target("ro"), context: plugin.context, readOnly: true)
      try await plugin.calls.publish("v", at: plugin.target("rw"), context: plugin.context)
      try plugin.folder.write("x", to: "kubelet/rw/file")
      #expect(throws: Errno.readOnlyFileSystem) { try plugin.folder.write("x", to: "kubelet/ro/other") }
      for name in ["ro", "rw"] { try await plugin.calls.unpublish("v", at: plugin.target(name)) }
      #expect(try await plugin.isClean())
    }
  }
}
