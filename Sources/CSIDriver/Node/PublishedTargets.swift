internal import VolumeModel

/// The targets of this node and the rules for taking in another one. A value: what is on disk and mounted follows it.
package struct PublishedTargets: Sendable {
  private var records: [ByteKey: TargetRecord] = [:]
  /// Volumes that may be published at a time; 0: as many as come.
  private let maximumVolumes: Int

  package init(_ records: [TargetRecord] = [], maximumVolumes: Int = 0) {
    self.maximumVolumes = maximumVolumes
    for record in records { self.records[ByteKey(record.target)] = record }
  }

  package subscript(target: String) -> TargetRecord? { records[ByteKey(target)] }

  /// Every target, in no particular order.
  package var all: [TargetRecord] { Array(records.values) }

  /// Takes in a new target.
  /// - Throws: ALREADY_EXISTS for a target that another volume has, FAILED_PRECONDITION when either side is the only
  ///   writer of the volume, RESOURCE_EXHAUSTED for one volume too many.
  package mutating func admit(_ record: TargetRecord) throws(CSIError) {
    if let existing = self[record.target] {
      throw .incompatibleRepeat(what: "target", name: record.target, difference: Self.difference(existing, record))
    }
    let others = targets(ofVolume: record.volumeID)
    if let other = others.first(where: { $0.isSinglePod || record.isSinglePod }) {
      throw .singleWriter(volume: record.volumeID, holder: other.target)
    }
    if others.isEmpty, maximumVolumes > 0, volumeCount >= maximumVolumes {
      throw .exhausted(
        problem: """
          this node publishes \(volumeCount) volumes and may publish \(maximumVolumes): end pods on it, or start the \
          plugin with a higher --max-volumes
          """)
    }
    records[ByteKey(record.target)] = record
  }

  /// What a message calls the difference between what stands at a target and what is asked for.
  package static func difference(_ existing: TargetRecord, _ wanted: TargetRecord) -> String {
    if !PathComponents.same(existing.volumeID, wanted.volumeID) { return "volume (\(existing.volumeID))" }
    if existing.readOnly != wanted.readOnly { return "readonly" }
    if existing.accessMode != wanted.accessMode { return "access mode" }
    if existing.mountGroup != wanted.mountGroup { return "volume_mount_group" }
    return "capability or volume context"
  }

  /// Changes a target that is there: its phase, its capacity.
  package mutating func update(_ target: String, _ change: (inout TargetRecord) -> Void) {
    guard var record = self[target] else { return }
    change(&record)
    records[ByteKey(target)] = record
  }

  package mutating func remove(_ target: String) { records[ByteKey(target)] = nil }

  /// Every target of a volume, whatever its worker.
  package func targets(ofVolume volumeID: String) -> [TargetRecord] {
    records.values.filter { PathComponents.same($0.volumeID, volumeID) }.sorted { $0.target < $1.target }
  }

  /// Every target that the worker of this name serves.
  package func targets(ofWorker name: String) -> [TargetRecord] {
    records.values.filter { $0.workerKey.name == name }.sorted { $0.target < $1.target }
  }

  /// Volumes with at least one target.
  package var volumeCount: Int { Set(records.values.lazy.map { ByteKey($0.volumeID) }).count }
}
