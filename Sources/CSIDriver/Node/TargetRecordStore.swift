internal import FoundationEssentials
package import LinuxSystem
internal import Synchronization
internal import SystemPackage
package import VolumeModel

/// The node's targets in memory and, one JSON file each, on disk. Memory is what calls decide by; disk is what the next
/// plugin starts from.
///
/// The rules for taking targets in are `PublishedTargets`'. Files are replaced as a whole, so that a plugin killed at any
/// point leaves the record before or after, never half of one. Writing does not wait for the disk: a power cut takes the
/// mounts with it, and the kubelet publishes again what it still needs. Removing does, since a record that came back would
/// hold its volume for ever.
package final class TargetRecordStore: Sendable {
  private let paths: NodePaths
  private let targets: Mutex<PublishedTargets>

  private init(paths: NodePaths, targets: PublishedTargets) {
    self.paths = paths
    self.targets = Mutex(targets)
  }

  /// What could not be read when the store was opened.
  package struct Unreadable: Sendable, Hashable {
    /// The file, and why it was set aside.
    package var file: String
    package var reason: String
  }

  /// Reads all records, and clears away what writes of a killed plugin left. Blocks.
  /// - Returns: the store, and the files that are no records: they are left in place for the administrator.
  package static func open(
    paths: NodePaths, maximumVolumes: Int
  ) throws(TargetFault) -> (store: TargetRecordStore, unreadable: [Unreadable]) {
    var records: [TargetRecord] = []
    var unreadable: [Unreadable] = []
    do throws(Errno) {
      try Folder.makeAll(paths.targets)
      try AtomicFile.removeLeftovers(in: paths.targets)
      for name in try DirectoryNames.list(paths.targets) where NodePaths.isRecordName(name) {
        let file = "\(paths.targets)/\(name)"
        let bytes = try WholeFile.read(file)
        if bytes.isEmpty {
          // Written shortly before a power cut.
          try AtomicFile.remove(file)
          continue
        }
        do throws(RecordProblem) { records.append(try TargetRecord(json: bytes, paths: paths)) } catch {
          unreadable.append(Unreadable(file: file, reason: error.reason))
        }
      }
    } catch {
      throw .system(error, step: "read the records in \(paths.targets)")
    }
    let targets = PublishedTargets(records, maximumVolumes: maximumVolumes)
    return (TargetRecordStore(paths: paths, targets: targets), unreadable)
  }

  package subscript(target: String) -> TargetRecord? { targets.withLock { $0[target] } }

  /// All targets, in no particular order.
  package var all: [TargetRecord] { targets.withLock { $0.all } }
  package func targets(ofVolume volumeID: String) -> [TargetRecord] {
    targets.withLock { $0.targets(ofVolume: volumeID) }
  }
  package func targets(ofWorker name: String) -> [TargetRecord] { targets.withLock { $0.targets(ofWorker: name) } }

  /// Takes a new target in and writes its record.
  package func admit(_ record: TargetRecord, by deadline: Deadline) async throws(CSIError) {
    let refusal = targets.withLock { targets -> CSIError? in
      do throws(CSIError) { try targets.admit(record) } catch { return error }
      return nil
    }
    if let refusal { throw refusal }
    do throws(CSIError) { try await write(record, by: deadline) } catch {
      targets.withLock { $0.remove(record.target) }
      throw error
    }
  }

  /// Changes a target's record on disk, then in memory.
  package func update(
    _ target: String, by deadline: Deadline, _ change: (inout TargetRecord) -> Void
  ) async throws(CSIError) {
    guard var record = self[target] else { return }
    change(&record)
    try await write(record, by: deadline)
    targets.withLock { $0.update(target) { [record] in $0 = record } }
  }

  /// Forgets a target, on disk first: a file that stays would come back at the next start.
  package func remove(_ target: String, by deadline: Deadline) async throws(CSIError) {
    let file = try file(of: target)
    try await NodeBlocking.run("remove the record \(file)", by: deadline) { () throws(TargetFault) in
      do throws(Errno) { try AtomicFile.remove(file) } catch { throw .system(error, step: "remove the record \(file)") }
    }
    targets.withLock { $0.remove(target) }
  }

  /// Whether records can be written. For Probe, so it must be quick: it asks for the permission, and writes nothing.
  package func check(by deadline: Deadline) async throws(CSIError) {
    let folder = paths.targets
    let isWritable = try await NodeBlocking.run("look at \(folder)", by: deadline) { () throws(TargetFault) in
      do throws(Errno) { return try Folder.isWritable(folder) } catch {
        throw .system(error, step: "look at \(folder)")
      }
    }
    if !isWritable { throw .unavailable(problem: "the plugin cannot write to \(folder): make it writable") }
  }

  private func write(_ record: TargetRecord, by deadline: Deadline) async throws(CSIError) {
    let file = try file(of: record.target)
    let bytes = try record.json()
    try await NodeBlocking.run("write the record \(file)", by: deadline) { () throws(TargetFault) in
      do throws(Errno) { try AtomicFile.write(bytes, to: file, surviving: .process) } catch {
        throw .system(error, step: "write the record \(file)")
      }
    }
  }

  private func file(of target: String) throws(CSIError) -> String {
    paths.targetRecord(try NodeField.target(target, "target_path", paths))
  }
}

/// Why a file is no record.
struct RecordProblem: Error, Sendable, Hashable { var reason: String }

extension TargetRecord {
  init(json bytes: [UInt8], paths: NodePaths) throws(RecordProblem) {
    do { self = try JSONDecoder().decode(TargetRecord.self, from: Data(bytes)) } catch {
      throw RecordProblem(reason: "not the JSON of a record")
    }
    guard version <= Self.currentVersion else {
      throw RecordProblem(reason: "version \(version), and this plugin reads up to \(Self.currentVersion)")
    }
    do { _ = try TargetPath(target, beneath: paths.kubeletDirectory) } catch {
      throw RecordProblem(reason: "its target \(error)")
    }
  }

  func json() throws(CSIError) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    do { return Array(try encoder.encode(self)) } catch {
      throw .failed(step: "writing the record of \(target)", cause: "\(error)")
    }
  }
}
