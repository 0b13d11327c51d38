internal import FoundationEssentials
package import LinuxSystem
internal import Mounter
internal import SystemPackage
package import VolumeModel

/// What a node's volumes and their workers are at one moment, for people and for `--json`: from the mounter's answer and
/// the plugin's records. Needs no running plugin and changes nothing.
package struct NodeReport: Codable, Sendable, Hashable {
  /// One worker's volume; a volume whose pods differ in their group has several.
  package struct Volume: Codable, Sendable, Hashable {
    package var volumeID: String
    package var mountGroup: String?
    package var underFileSystem: String
    package var condition: VolumeCondition
    package var worker: Worker?
    /// Workers started after the first.
    package var restarts: UInt32
    /// The last ends of workers, oldest first.
    package var deaths: [Death]
    /// The longest time without a worker that serves.
    package var longestPauseMilliseconds: UInt64
    package var targets: [Target]
    /// Of a volume on an object store, since its worker began; nil before it said anything.
    package var counters: VolumeCounters?
    /// Of its reads, how many did not wait for the store.
    package var hitRate: Double?
    /// Why its worker does not use the last credentials that it was given.
    package var credentialProblem: String?
    /// Who holds copies of the descriptors beside the mounter, and what they lack; nil: not known.
    package var custody: Custody?
  }

  package struct Worker: Codable, Sendable, Hashable {
    /// In the mounter's PID namespace.
    package var pid: Int32
    package var ageSeconds: UInt64?
    /// Resident memory; nil where the process cannot be seen from here.
    package var residentBytes: UInt64?
  }

  package struct Custody: Codable, Sendable, Hashable {
    /// Another mounter can go on with the volume and its worker.
    package var isComplete: Bool
    package var custodians: [String]
    package var missing: [String]
    /// The same in words.
    package var message: String
  }

  package struct Death: Codable, Sendable, Hashable {
    package var cause: String
    package var secondsAgo: UInt64
  }

  package struct Target: Codable, Sendable, Hashable {
    package var path: String
    package var readOnly: Bool
  }

  package var volumes: [Volume]

  /// - Parameter now: milliseconds of CLOCK_MONOTONIC.
  package init(statuses: [WorkerStatus], records: [TargetRecord], now: UInt64 = Deadline.now.nanoseconds / 1_000_000) {
    let served = statuses.map { status in
      Volume(status, records.filter { $0.workerKey == status.request.key }, now)
    }
    let keys = Set(statuses.map(\.request.key))
    let unserved = Dictionary(grouping: records.filter { !keys.contains($0.workerKey) }, by: \.workerKey)
    volumes = served + unserved.values.compactMap(Volume.init(unserved:))
    volumes.sort { ($0.volumeID, $0.mountGroup ?? "") < ($1.volumeID, $1.mountGroup ?? "") }
  }

  /// Asks the mounter and reads the records.
  /// - Throws: one sentence for whoever typed the command.
  package static func read(paths: NodePaths, socket: String, by deadline: Deadline) async throws(NodeReportError)
    -> Self
  {
    let statuses: [WorkerStatus]
    do throws(MounterError) {
      statuses = try await MounterClient(socket: socket, program: "alluxio-csi status").list(by: deadline)
    } catch {
      throw NodeReportError("no mounter answers at \(socket) (\(error)): name its socket with --mounter-socket")
    }
    return NodeReport(statuses: statuses, records: try records(paths))
  }

  /// What is no record is passed over: the plugin's log names it.
  private static func records(_ paths: NodePaths) throws(NodeReportError) -> [TargetRecord] {
    do throws(Errno) {
      return try DirectoryNames.list(paths.targets).filter(NodePaths.isRecordName).compactMap { name in
        guard let bytes = try? WholeFile.read("\(paths.targets)/\(name)") else { return nil }
        return try? JSONDecoder().decode(TargetRecord.self, from: Data(bytes))
      }
    } catch {
      throw NodeReportError("cannot read the records in \(paths.targets) (\(error)): name the plugin's --state-dir")
    }
  }

  /// The workers of a volume that is published on this node, by the records; in the order of their names.
  package static func publishedKeys(of volumeID: String, paths: NodePaths) throws(NodeReportError) -> [WorkerKey] {
    let keys = Set(
      try records(paths).filter { PathComponents.same($0.volumeID, volumeID) }.map(\.workerKey))
    return keys.sorted { $0.name < $1.name }
  }

  /// For `--json`: one object, keys in order.
  package func json() throws(NodeReportError) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    do { return String(decoding: try encoder.encode(self), as: UTF8.self) } catch {
      throw NodeReportError("the report cannot be written as JSON: \(error)")
    }
  }
}

/// Why there is no report; one sentence.
package struct NodeReportError: Error, CustomStringConvertible {
  package let description: String
  init(_ description: String) { self.description = description }
}

extension NodeReport.Volume {
  fileprivate init(_ status: WorkerStatus, _ records: [TargetRecord], _ now: UInt64) {
    volumeID = status.request.key.volumeID
    mountGroup = status.request.key.mountGroup
    underFileSystem = status.request.underFileSystem.description
    let (abnormal, message) = status.condition(at: now)
    condition = VolumeCondition(abnormal: abnormal, message: message)
    worker = status.pid.map { pid in
      // Another process has the number where the mounter counts in a PID namespace of its own.
      let process = (try? ProcessStatus(pid: pid)).flatMap { $0.name.hasPrefix("alluxio-fuse") ? $0 : nil }
      let age = status.startedAt.map { now > $0 ? (now - $0) / 1_000 : 0 }
      return NodeReport.Worker(
        pid: pid, ageSeconds: age, residentBytes: status.residentBytes ?? process?.residentBytes)
    }
    restarts = status.restarts
    deaths = status.history.deaths.map { death in
      NodeReport.Death(cause: death.exit.cause, secondsAgo: now > death.moment ? (now - death.moment) / 1_000 : 0)
    }
    longestPauseMilliseconds = status.history.longestPause
    counters = status.counters
    hitRate = status.counters?.hitRate
    credentialProblem = status.credentialProblem
    custody = status.custody.map { custody in
      NodeReport.Custody(
        isComplete: !custody.custodians.isEmpty && custody.missing.isEmpty, custodians: custody.custodians,
        missing: custody.missing, message: custody.sentence)
    }
    targets = Self.targets(records)
  }

  /// A volume that the mounter does not have.
  fileprivate init?(unserved records: [TargetRecord]) {
    guard let first = records.first else { return nil }
    volumeID = first.volumeID
    mountGroup = first.mountGroup
    underFileSystem = first.underFileSystem
    condition = VolumeCondition(
      abnormal: true,
      message:
        "the volume is published and not mounted: the plugin mounts it again, and its log says what is in the way")
    restarts = 0
    deaths = []
    longestPauseMilliseconds = 0
    targets = Self.targets(records)
  }

  private static func targets(_ records: [TargetRecord]) -> [NodeReport.Target] {
    records.map { NodeReport.Target(path: $0.target, readOnly: $0.readOnly) }.sorted { $0.path < $1.path }
  }
}

extension NodeReport: CustomStringConvertible {
  /// A paragraph for each volume.
  package var description: String {
    volumes.isEmpty ? "no volume is mounted on this node" : volumes.map(\.paragraph).joined(separator: "\n\n")
  }
}

extension NodeReport.Volume {
  fileprivate var paragraph: String {
    let group = mountGroup.map { " (group \($0))" } ?? ""
    var lines = ["volume \(volumeID)\(group): \(underFileSystem)"]
    lines.append("  condition      \(condition.abnormal ? "ABNORMAL: " : "")\(condition.message)")
    lines.append("  worker         \(worker?.words ?? "none")")
    let causes = deaths.map { "\($0.cause), \($0.secondsAgo) s ago" }.joined(separator: "; ")
    lines.append("  restarts       \(restarts)\(causes.isEmpty ? "" : ": \(causes)")")
    lines.append("  longest pause  \(longestPauseMilliseconds) ms")
    lines.append("  custody        \(custody?.message ?? "not known")")
    if let credentialProblem { lines.append("  credentials    NOT USED: \(credentialProblem)") }
    for (heading, words) in counters?.lines ?? [] { lines.append("  \(Self.padded(heading))\(words)") }
    for target in targets { lines.append("  target         \(target.path)\(target.readOnly ? " (read-only)" : "")") }
    return lines.joined(separator: "\n")
  }

  private static func padded(_ heading: String) -> String {
    heading + String(repeating: " ", count: max(1, 15 - heading.count))
  }
}

extension NodeReport.Worker {
  fileprivate var words: String {
    let memory = residentBytes.map { "\($0 / 1_024) KiB resident" } ?? "memory not known from here"
    return "pid \(pid), \(ageSeconds.map { "\($0) s old" } ?? "age not known"), \(memory)"
  }
}
