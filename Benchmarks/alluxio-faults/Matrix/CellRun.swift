import Foundation
import LinuxSystem
import VolumeModel

/// Runs one cell: its own driver, its own volume, its own applications.
struct CellRun {
  var cell: Cell
  var binaries: String
  /// Exists; the run's folders come beneath it.
  var folder: String
  var repetitions: Int
  /// From one fault to the next.
  var interval: Duration

  private var underFileSystem: String {
    cell.disk == .bucket ? "\(folder)/store" : "\(folder)/ufs"
  }
  private var hidesPrograms: Bool { cell.disk == .fullTemporaryFolder }
  private var programs: String { hidesPrograms ? "\(folder)/programs" : binaries }
  private var ownProgram: String { hidesPrograms ? "\(folder)/own/alluxio-faults" : ExecutablePath.own }
  private static var ownFolder: String { (ExecutablePath.own as NSString).deletingLastPathComponent }

  func run() async -> CellResult {
    var result = CellResult(name: cell.name, open: cell.reason)
    do {
      try makeDisk()
      try SharedContent.make(in: underFileSystem)
      let store =
        cell.disk == .bucket
        ? try ObjectStoreProcess(folder: "\(folder)/store", log: "\(folder)/store.log") : nil
      let node = try await NodeProcesses(
        NodeProcesses.Setup(
          arrangement: cell.arrangement, binaries: programs, work: folder, underFileSystem: underFileSystem,
          store: store, mounterOptions: cell.mounterOptions,
          attributes: cell.attributes.merging(store?.attributes ?? [:]) { $1 }))
      await load(node, &result)
      do { try await node.stop() } catch { note("\(error)", &result) }
      if !result.holds { Self.say(node.logs()) }
    } catch {
      note("\(error)", &result)
    }
    return result
  }

  private func load(_ node: NodeProcesses, _ result: inout CellResult) async {
    do {
      let application = try Application(
        program: ownProgram, folder: node.target, kind: cell.load, tolerated: cell.outage.errors,
        pod: cell.arrangement == .apart ? .init(data: "\(folder)/pod", kubelet: node.paths.kubeletDirectory) : nil)
      let verified =
        // fio writes at random places of a file that is larger than what a spool holds.
        try cell.load != .all
        ? nil : VerifiedIO.program.map { try VerifiedIO(program: $0, folder: node.target) }
      do { try await strike(node, application, &result) } catch { note("\(error)", &result) }
      finish(application, verified, &result)
    } catch {
      note("\(error)", &result)
    }
  }

  /// The faults, one interval after the other. What was the longest is asked before the next one.
  private func strike(_ node: NodeProcesses, _ application: Application, _ result: inout CellResult) async throws {
    // Until everything is open and at work.
    try await Task.sleep(for: max(interval, .milliseconds(300)))
    _ = try application.mark()
    Answers.say("at work in \(folder)")
    for _ in 0..<repetitions {
      let next = ContinuousClock.now + interval
      try await cell.fault.strike(node)
      result.faults += 1
      result.kills += cell.fault.kills
      // At some point of the operations that are under way: not in step with anything.
      try await Task.sleep(until: max(next, .now + .milliseconds(.random(in: 50...150))))
      let mark = try application.mark()
      if mark.longest > (result.pauses.max() ?? 0) { result.longest = mark.longestName }
      result.pauses.append(mark.longest)
      if case .passing = cell.outage { try await recovered(application, on: node) }
    }
  }

  /// Nothing is refused any more, and nothing is stacked.
  private func recovered(_ application: Application, on node: NodeProcesses) async throws {
    let before = try application.mark()
    try await Task.sleep(for: .milliseconds(200))
    let after = try application.mark()
    guard after.tolerated == before.tolerated, after.operations > before.operations else {
      throw FaultError("\(after.tolerated - before.tolerated) errors came after the end of the outage")
    }
    let mounts = try MountTable.read().all(at: node.target).count
    guard mounts == 1 else { throw FaultError("\(mounts) mounts are at the target") }
  }

  private func finish(_ application: Application, _ verified: VerifiedIO?, _ result: inout CellResult) {
    do {
      let last = try application.finish()
      (result.operations, result.applicationErrors, result.wrongBytes) = (last.operations, last.errors, last.wrong)
      result.outageErrors = last.tolerated
      if case .lasting = cell.outage, last.tolerated == 0 { note("nothing was refused", &result) }
    } catch {
      note("\(error)", &result)
      result.applicationErrors = max(1, application.complaints.count)
    }
    for line in application.complaints { Self.say("  \(line)") }
    guard let verified else { return }
    do { try verified.finish() } catch { note("\(error)", &result) }
    for line in verified.failures { Self.say("  \(line)") }
    result.verifiedRuns = verified.runs
    result.applicationErrors += verified.failures.count
  }

  private func note(_ failure: String, _ result: inout CellResult) {
    Self.say("  \(failure)")
    result.failure = result.failure ?? failure
  }

  static func say(_ line: String) { FileHandle.standardError.write(Data("\(line)\n".utf8)) }

  // MARK: What lies beneath

  private func makeDisk() throws {
    try Folder.makeAll(underFileSystem, mode: 0o755)
    switch cell.disk {
    case .bucket: break
    case .roomy: if Freezer.canMakeDisk { try? Freezer.makeDisk(at: underFileSystem) }
    case .own: try Freezer.makeDisk(at: underFileSystem)
    case .small: try Mount.mount(source: "faults", target: underFileSystem, type: "tmpfs", data: "size=8m,nr_inodes=0")
    case .fullTemporaryFolder:
      if Freezer.canMakeDisk { try? Freezer.makeDisk(at: underFileSystem) }
      // The programs may lie beneath it.
      for (shown, source) in [(programs, binaries), ("\(folder)/own", Self.ownFolder)] {
        try Folder.makeAll(shown)
        try Mount.bind(from: source, to: shown)
      }
      try Mount.mount(source: "faults", target: "/tmp", type: "tmpfs", data: "size=64k")
      let file = try Descriptor.open("/tmp/full", O_WRONLY | O_CREAT, mode: 0o600)
      // The last write is the one that fails.
      while (try? file.writeAll([UInt8](repeating: 1, count: 4_096))) != nil {}
    }
  }
}
