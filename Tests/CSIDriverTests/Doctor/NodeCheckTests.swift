import CSIDriver
import Glibc
import LinuxSystem
import Mounter
import SystemPackage
import TestSupport
import Testing
import VolumeModel

/// Each check alone, before a situation that it must tell.
@Suite("Checks of a node by its doctor", .serialized, .requiresFuse)
struct NodeCheckTests {
  private let folder: TemporaryDirectory

  init() throws { folder = try TemporaryDirectory("doctor") }

  private func look(_ check: some NodeCheck) async -> [Finding] { await check.findings(by: .after(.patient)) }

  /// - Parameter words: in what was found, or in what is to be done.
  private func expect(_ findings: [Finding], _ states: [Finding.State], _ words: String...) {
    #expect(findings.map(\.state) == states, "\(findings)")
    for word in words { #expect(findings.contains { "\($0)".contains(word) }, "\(word): \(findings)") }
    // Who is told of a fault is told what to do.
    #expect(findings.allSatisfy { ($0.state == .ok) == ($0.fix == nil) }, "\(findings)")
  }

  @Test("a kernel that mounts, one that lacks what came later, a folder that is not there")
  func kernel() async throws {
    let offered = try FuseMount.mount(at: folder.makeDirectory("offers")).request.flags
    try Mount.unmount(folder.appending("offers"), flags: [.detach])
    try Folder.removeEmpty(folder.appending("offers"))
    let lacking = [FuseInitFlags.hasResend, .passthrough].filter { !offered.contains($0) }.count
    expect(await look(FuseCheck(folder: folder.path)), [.ok] + Array(repeating: .warning, count: lacking), "Linux ")
    let old = FuseCheck(folder: folder.path, withheld: [.hasResend, .passthrough])
    expect(await look(old), [.ok, .warning, .warning], "Linux 6.9", "passthrough")
    expect(await look(FuseCheck(folder: folder.appending("absent"))), [.failure], "as root")
    // Nothing of it stays.
    #expect(try DirectoryNames.list(folder.path).isEmpty)
    #expect(try MountTable.read().beneath(folder.path).isEmpty)
  }

  @Test("folders whose mounts reach pods, those whose mounts do not, and folders that are not there")
  func propagation() async throws {
    let kubelet = try folder.makeDirectory("kubelet")
    let check = PropagationCheck(NodePaths(stateDirectory: "\(kubelet)/driver", kubeletDirectory: kubelet))
    expect(await look(check), [.failure], "--state-dir")
    try folder.makeDirectory("kubelet/driver")
    try Mount.bind(from: kubelet, to: kubelet)
    defer { try? Mount.unmount(kubelet, flags: [.detach]) }
    try Mount.setPropagation(.private, of: kubelet)
    expect(await look(check), [.failure, .failure], "Bidirectional")
    try Mount.setPropagation(.shared, of: kubelet)
    expect(await look(check), [.ok])
  }

  @Test("cgroups that can be made, that cannot be written, and none", .requiresUnifiedCgroups)
  func cgroups() async throws {
    let cgroup = try TestCgroup()
    defer { cgroup.remove() }
    expect(await look(CgroupCheck(MemoryCgroup(folder: cgroup.folder, version: .v2))), [.ok])
    #expect(try DirectoryNames.list(cgroup.folder).allSatisfy { !$0.hasPrefix("alluxio-doctor") })
    let readOnly = try folder.makeDirectory("cgroup")
    try Mount.bind(from: cgroup.folder, to: readOnly)
    defer { try? Mount.unmount(readOnly, flags: [.detach]) }
    try Mount.remountBind(readOnly, flags: .readOnly)
    expect(
      await look(CgroupCheck(MemoryCgroup(folder: readOnly, version: .v2))), [.warning], "memoryLimit", "privileged")
    let absent = MemoryCgroup(folder: folder.appending("absent/cgroup"), version: .v2)
    expect(await look(CgroupCheck(absent)), [.warning])
  }

  /// Runs `body` with a file system in memory at `store`.
  private func withDisk(_ size: String, _ body: (String) async throws -> Void) async throws {
    let disk = try folder.makeDirectory("disk-\(size)")
    try Mount.mount(source: "disk", target: disk, type: "tmpfs", data: "size=\(size)")
    defer { try? Mount.unmount(disk, flags: [.detach]) }
    try await body(disk)
  }

  private func fill(_ path: String, megabytes: Int) throws {
    let file = try Descriptor.open(path, O_WRONLY | O_CREAT, mode: 0o600)
    try file.writeAll([UInt8](repeating: 1, count: megabytes << 20))
  }

  @Test("a disk for pages that is memory, nearly full, full, read-only, or not the user's")
  func pageStore() async throws {
    try await withDisk("32m") { disk in
      let check = PageStoreCheck(folder: "\(disk)/not/there/yet")
      expect(await look(check), [.warning], "is memory (tmpfs)", "--page-store")
      try fill("\(disk)/a", megabytes: 30)
      expect(await look(check), [.warning, .warning], "are free on the disk", "make room")
      #expect(throws: Errno.noSpace) { try fill("\(disk)/b", megabytes: 4) }
      expect(await look(check), [.failure], "is full", "make room")
      #expect(try DirectoryNames.list(disk).sorted() == ["a", "b"])
      try unlink("\(disk)/a") == 0 ? () : { throw Errno.ioError }()
      try Mount.remountBind(disk, flags: .readOnly)
      expect(await look(check), [.failure], "read-only", "dmesg")
    }
  }

  @Test("a page store on a disk of the node is well, or says what room it lacks")
  func disk() async throws {
    for check in [PageStoreCheck(folder: "/alluxio-absent/pages"), PageStoreCheck(folder: "/")] {
      #expect(await look(check).allSatisfy { !"\($0)".contains("No such file") })
    }
    let findings = await look(PageStoreCheck(folder: folder.path))
    #expect(findings.allSatisfy { $0.state != .failure }, "\(findings)")
    let free = try FileSystemStatistics(at: folder.path).availableBytes >> 30
    if findings.map(\.state) == [.ok], free > 10 {
      #expect(findings.allSatisfy { !$0.what.contains(" 0.") }, "\(findings)")
    }
    #expect(try DirectoryNames.list(folder.path).isEmpty)
  }

  @Test("directories that are there, that are not, that are files")
  func directory() async throws {
    try folder.write("text", to: "file")
    expect(await look(DirectoryCheck(path: folder.path)), [.ok])
    expect(await look(DirectoryCheck(path: folder.appending("absent"))), [.failure], "there is no directory", "make it")
    expect(await look(DirectoryCheck(path: folder.appending("file"))), [.failure], "is no directory")
  }

  @Test("a file system that never answers ends at the deadline, one whose server is gone at once")
  func hanging() async throws {
    let point = try folder.makeDirectory("mount")
    let mount = try FuseMount.mount(at: point)
    defer { try? Mount.unmount(point, flags: [.detach]) }
    let found = await DirectoryCheck(path: point).findings(by: .after(.milliseconds(200)))
    expect(found, [.failure], "did not answer in time", "hangs")
    try mount.connection.abort()
    expect(await look(DirectoryCheck(path: point)), [.failure], "server is gone", "mount it again")
  }
}
