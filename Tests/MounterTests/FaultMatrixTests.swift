import ApplicationLoad
import Glibc
import LinuxSystem
import Mounter
import SystemPackage
import TestSupport
import Testing

/// The program of `make faults`, which kills processes for a living.
@Suite("A fault matrix that is interrupted", .serialized)
struct FaultMatrixTests {
  /// Until the cell's node serves and its applications run.
  /// - Returns: its folder, which has all that it makes.
  private static func untilAtWork(_ matrix: TalkingProcess) throws -> String {
    let words = "at work in "
    while let line = try matrix.line(within: Waiting.limit) {
      if line.hasPrefix(words) { return String(line.dropFirst(words.count)) }
    }
    throw Errno.noSuchProcess
  }

  @Test("it leaves no process, mount, folder or cgroup, whatever ends it", .requiresFuse, arguments: [SIGTERM, SIGINT])
  func interrupted(_ signal: CInt) async throws {
    let matrix = try TalkingProcess(
      builtProduct("alluxio-faults"),
      ["--binaries", BuildFolder.path, "--only", "SIGKILL × worker, namespaces apart", "--faults", "100000"])
    let folder = try await OwnThread.run { try Self.untilAtWork(matrix) }
    try matrix.process.signal(signal)
    let exit = try await OwnThread.run { try Waiting.untilEnded(matrix.process) }
    #expect(exit?.isSuccess == false)
    #expect(access(folder, F_OK) != 0)
    for pid in try ProcessTable.pids() {
      let line = (try? WholeFile.text("/proc/\(pid)/cmdline")) ?? ""
      #expect(!line.contains(folder), "process \(pid) is left")
    }
    let prefix = WorkerCgroupName.prefix(stateDirectory: "\(folder)/kubelet/plugins/alluxio")
    let cgroups = try MemoryCgroup.own().map { try DirectoryNames.list($0.folder) } ?? []
    #expect(!cgroups.contains { $0.hasPrefix(prefix) })
    #expect(try MountTable.read().beneath(folder).isEmpty)
  }
}
