import CSIDriver
import GRPC
import Glibc
import LinuxSystem
import Logging
import Mounter
import SystemPackage
import TestSupport
import Testing
import VolumeModel

/// What may stand at a target before a publish, and what stays after an unpublish.
@Suite("Node targets", .serialized, .requiresFuse)
struct NodeTargetTests {
  let mounter = HollowMounter()

  private func refused(_ node: NodeFixture, at name: String, _ code: StatusCode, _ text: String) async throws {
    let records = try node.records()
    let error = await #expect(throws: CSIError.self) { try await node.publish(node.request(at: name)) }
    #expect(error?.code == code)
    #expect(error?.message.contains(text) == true, "\(error?.message ?? "")")
    #expect(try node.records() == records)
    #expect(mounter.statuses.isEmpty)
  }

  @Test("a target that is a file, a link, filled, or without a parent is refused with the reason")
  func badTargets() async throws {
    let node = try await NodeFixture(mounter: mounter)
    try node.folder.write("x", to: "kubelet/file")
    try node.folder.makeDirectory("kubelet/filled")
    try node.folder.write("x", to: "kubelet/filled/file")
    #expect(symlink(node.folder.appending("data"), node.target("link")) == 0)
    #expect(symlink("/nowhere", node.target("broken")) == 0)
    #expect(mkfifo(node.target("pipe"), 0o600) == 0)
    try await refused(node, at: "file", .failedPrecondition, "no directory")
    try await refused(node, at: "filled", .failedPrecondition, "something in it")
    try await refused(node, at: "link", .failedPrecondition, "symbolic link")
    try await refused(node, at: "broken", .failedPrecondition, "symbolic link")
    try await refused(node, at: "pipe", .failedPrecondition, "no directory")
    try await refused(node, at: "absent/a", .failedPrecondition, "does not exist")
    try await refused(node, at: "link/a", .failedPrecondition, "symbolic link")
    try await refused(node, at: "file/a", .failedPrecondition, "no directory")
  }

  @Test("a target outside the kubelet's folder, or in the plugin's own, is refused")
  func outside() async throws {
    let node = try await NodeFixture(mounter: mounter)
    for path in ["/tmp/elsewhere", "relative", "\(node.configuration.paths.kubeletDirectory)/../data", "/"] {
      var request = node.request(at: "a")
      request.targetPath = path
      let error = await #expect(throws: CSIError.self) { try await node.publish(request) }
      #expect(error?.code == .invalidArgument)
    }
  }

  @Test("a target on which something else is mounted is refused and left as it is")
  func foreignMount() async throws {
    let node = try await NodeFixture(mounter: mounter)
    try node.folder.makeDirectory("kubelet/a")
    try Mount.mount(source: "tmpfs", target: node.target("a"), type: "tmpfs")
    try await refused(node, at: "a", .failedPrecondition, "tmpfs")
    try await node.unpublish(at: "a")
    #expect(try node.mounts(at: "a").map(\.type) == ["tmpfs"])
    try Mount.unmount(node.target("a"))
  }

  @Test("the kubelet's folder may be reached through a link")
  func linkedKubeletFolder() async throws {
    let node = try await NodeFixture(mounter: mounter)
    #expect(symlink(node.configuration.paths.kubeletDirectory, node.folder.appending("linked")) == 0)
    var configuration = node.configuration
    configuration.paths = NodePaths(
      stateDirectory: node.folder.appending("state"), kubeletDirectory: node.folder.appending("linked"))
    let service = try await NodeService.start(
      configuration: configuration, mounter: mounter, logger: .init(label: "test"))
    var request = node.request(at: "a")
    request.targetPath = node.folder.appending("linked/a")
    try await service.publish(request, by: .after(.patient))
    #expect(try node.mounts(at: "a").count == 1)
    try await service.unpublish(
      NodeUnpublishVolumeRequest(volumeID: "volume", targetPath: request.targetPath), by: .after(.patient))
    #expect(try node.isClean())
  }

  @Test("the directory under the mount can be changed by nobody, on ext4 and on tmpfs, and is gone after unpublish")
  func immutableFolder() async throws {
    for parent in [nil, "/dev/shm"] {
      let node = try await NodeFixture(mounter: mounter, beneath: parent)
      try await node.publish(node.request(at: "a"))
      try Mount.unmount(node.target("a"), flags: [.detach])
      let isImmutable = try node.isImmutable("a")
      if isImmutable == true {
        #expect(throws: Errno.self) { try node.folder.write("x", to: "kubelet/a/file") }
      }
      #expect(isImmutable != false)
      try await node.unpublish(at: "a")
      #expect(try node.isClean())
    }
  }

  @Test("where the file system cannot shut a directory, what is written while the worker is dead fails all the same")
  func folderWithoutFlag() async throws {
    let node = try await NodeFixture(mounter: mounter)
    let kubelet = node.configuration.paths.kubeletDirectory
    try Mount.mount(source: "ramfs", target: kubelet, type: "ramfs")
    defer { try? Mount.unmount(kubelet, flags: [.detach]) }
    try await node.publish(node.request(at: "a"))
    mounter.kill(WorkerKey(volumeID: "volume"))
    #expect(throws: Errno.socketNotConnected) { try node.folder.write("x", to: "kubelet/a/file") }
    try Mount.unmount(node.target("a"), flags: [.detach])
    #expect(try node.isImmutable("a") == nil)
    try await node.unpublish(at: "a")
    #expect(try DirectoryNames.list(kubelet).isEmpty)
  }

  @Test("an immutable empty directory without a record is removed by unpublish")
  func immutableWithoutRecord() async throws {
    let node = try await NodeFixture(mounter: mounter)
    try node.folder.makeDirectory("kubelet/a")
    _ = try InodeFlags.setImmutable(true, on: try Descriptor.open(node.target("a"), O_RDONLY))
    try await node.unpublish(at: "a")
    #expect(!node.exists("a"))
  }

  @Test("unpublish of what was never published succeeds and touches nothing of others")
  func neverPublished() async throws {
    let node = try await NodeFixture(mounter: mounter)
    try node.folder.makeDirectory("kubelet/filled")
    try node.folder.write("x", to: "kubelet/filled/file")
    try node.folder.write("x", to: "kubelet/file")
    for name in ["absent", "absent/deep", "filled", "file", "file/below"] { try await node.unpublish(at: name) }
    #expect(node.exists("filled"))
    #expect(access(node.target("file"), F_OK) == 0)
  }

  @Test("unpublish of another volume than the one at the target is NOT_FOUND and leaves it mounted")
  func otherVolume() async throws {
    let node = try await NodeFixture(mounter: mounter)
    try await node.publish(node.request(at: "a"))
    let error = await #expect(throws: CSIError.self) { try await node.unpublish("other", at: "a") }
    #expect(error?.code == .notFound)
    #expect(try node.mounts(at: "a").count == 1)
    try await node.unpublish(at: "a")
  }

  @Test("all mounts stacked on a target go with unpublish, whoever made them")
  func stacked() async throws {
    let node = try await NodeFixture(mounter: mounter)
    try await node.publish(node.request(at: "a"))
    try Mount.bind(from: node.configuration.paths.mountPoint(WorkerKey(volumeID: "volume")), to: node.target("a"))
    try Mount.mount(source: "tmpfs", target: node.target("a"), type: "tmpfs")
    #expect(try node.mounts(at: "a").count == 3)
    try await node.unpublish(at: "a")
    #expect(try node.isClean())
  }

  @Test("a mount of ours without a record is removed by unpublish, and replaced by publish")
  func mountWithoutRecord() async throws {
    let node = try await NodeFixture(mounter: mounter)
    try await node.publish(node.request(at: "other"))
    let source = node.configuration.paths.mountPoint(WorkerKey(volumeID: "volume"))
    for finish in ["unpublish", "publish"] {
      try node.folder.makeDirectory("kubelet/a")
      try Mount.bind(from: source, to: node.target("a"))
      if finish == "publish" { try await node.publish(node.request(at: "a")) }
      try await node.unpublish(at: "a")
      #expect(!node.exists("a"))
    }
    try await node.unpublish(at: "other")
    #expect(try node.isClean())
  }

  @Test("a busy target is detached, and another target of the same worker notices nothing")
  func busy() async throws {
    let node = try await NodeFixture(mounter: mounter)
    try await node.publish(node.request(at: "a"))
    try await node.publish(node.request(at: "b"))
    let user = try Descriptor.reach(node.target("a"))
    let before = try node.mounts(at: "b")
    try await node.unpublish(at: "a")
    #expect(try node.mounts(at: "a").isEmpty)
    #expect(!node.exists("a"))
    #expect(try node.mounts(at: "b") == before)
    #expect(mounter.statuses.first?.state == .ready)
    try user.close()
    try await node.unpublish(at: "b")
    #expect(try node.isClean())
  }

  @Test("an unmount that fails is an error that names who holds the mount, and the target stays published")
  func unmountFails() {
    let fault = TargetFault.unmountFailed(
      path: "/k/a", .resourceBusy, holders: [ProcessReference(pid: 4711, command: "postgres", use: .openFile)])
    let error = CSIError(fault)
    #expect(error.code == .internal)
    #expect(error.message.contains("postgres (pid 4711"))
    #expect(error.message.contains("/k/a"))
  }

  @Test("a worker that cannot be stopped makes unpublish fail, and its repeat succeeds")
  func stopFails() async throws {
    let node = try await NodeFixture(mounter: mounter)
    try await node.publish(node.request(at: "a"))
    let holder = MountHolder.process(pid: 4711, program: "postgres")
    mounter.setFaults(.init(unmount: .busy(key: WorkerKey(volumeID: "volume"), holders: [holder])))
    let error = await #expect(throws: CSIError.self) { try await node.unpublish(at: "a") }
    #expect(error?.code == .internal)
    #expect(error?.message.contains("postgres") == true)
    mounter.setFaults(.init())
    try await node.unpublish(at: "a")
    #expect(try node.isClean())
  }

  @Test("file systems mounted below a target do not keep it from being unpublished")
  func mountBelow() async throws {
    // The hollow volume has no directory to mount on, so the second mount stands on the target's own root.
    let node = try await NodeFixture(mounter: mounter)
    try await node.publish(node.request(at: "a"))
    try Mount.mount(source: "tmpfs", target: node.target("a"), type: "tmpfs")
    try node.folder.makeDirectory("kubelet/a/below")
    try Mount.mount(source: "tmpfs", target: node.target("a/below"), type: "tmpfs")
    try await node.unpublish(at: "a")
    #expect(try node.isClean())
  }
}
