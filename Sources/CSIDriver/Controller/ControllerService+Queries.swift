package import LinuxSystem
internal import VolumeModel

extension ControllerService {
  /// ListVolumes: in the order of ids, so that pages neither repeat nor skip a volume that stays.
  package func list(_ request: ListVolumesRequest, by deadline: Deadline) async throws(CSIError) -> VolumePage {
    guard request.maximumEntries >= 0 else {
      throw .malformedField("max_entries", problem: "is negative: give 0 for no limit")
    }
    let wanted = request.maximumEntries == 0 ? Self.defaultPage : Int(request.maximumEntries)
    let looking = min(deadline, .after(Self.lookingPatience))
    var position = try PagingToken.id(in: request.startingToken)
    var entries: [VolumeStatus] = []
    while true {
      let after = position
      // One more than fits tells whether another page follows.
      let batch = min(wanted, Self.defaultPage) + 1
      let records = try await asking { () throws(RegistryError) in
        try await registry.volumes(after: after, limit: batch)
      }
      // What is being made or deleted is not there for others.
      for record in records where record.state == .ready {
        if entries.count == wanted, let last = entries.last {
          return VolumePage(entries: entries, nextToken: PagingToken.make(after: last.volume.id))
        }
        entries.append(try await status(of: record, by: looking))
      }
      guard records.count == batch, let last = records.last else { return VolumePage(entries: entries, nextToken: "") }
      position = last.id
    }
  }

  /// ValidateVolumeCapabilities.
  package func validate(_ request: ValidateVolumeCapabilitiesRequest) async throws(CSIError) -> CapabilityVerdict {
    guard !request.volumeID.isEmpty else { throw .missingField("volume_id") }
    guard !request.capabilities.isEmpty else { throw .missingField("volume_capabilities") }
    // What the request itself gets wrong is said before the volume is looked for.
    var reason: String?
    for capability in request.capabilities { reason = try Self.reasonAgainst(capability) ?? reason }
    let record = try await existing(request.volumeID)
    if let reason { return .unconfirmed(reason) }
    if let difference = record.difference(context: request.volumeContext, parameters: request.parameters) {
      return .unconfirmed(difference)
    }
    guard request.mutableParameters.isEmpty else {
      return .unconfirmed("volumes of this driver have no mutable parameters")
    }
    return .confirmed(
      context: request.volumeContext, capabilities: request.capabilities, parameters: request.parameters)
  }

  /// Why a well-formed capability cannot be had; nil when it can.
  /// - Throws: for a malformed one.
  private static func reasonAgainst(_ capability: VolumeCapability) throws(CSIError) -> String? {
    do throws(CSIError) {
      try CapabilityCheck.one(capability, in: "volume_capabilities")
      return nil
    } catch {
      switch error {
      case .unsupportedCapability, .volumeContext: return error.message
      default: throw error
      }
    }
  }

  /// GetCapacity: what a new volume could hold.
  package func capacity(_ request: GetCapacityRequest, by deadline: Deadline) async throws(CSIError) -> Int64 {
    // No room for volumes that cannot be.
    for capability in request.capabilities {
      if try Self.reasonAgainst(capability) != nil { return 0 }
    }
    // Without a path: what the allowed directories offer.
    guard request.parameters.keys.contains(where: { !VolumeContextKey.isOrchestrators($0) }) else {
      return Int64(clamping: try await directories.capacity(of: nil, by: deadline))
    }
    let context: VolumeContext
    do throws(VolumeContextError) {
      context = try VolumeContext(parsing: request.parameters, from: .parameters, schemes: schemes)
    } catch {
      throw .volumeContext(error)
    }
    return Int64(clamping: try await directories.capacity(of: context.underFileSystem, by: deadline))
  }

  /// ControllerExpandVolume: records the new size; never shrinks.
  package func expand(_ request: ControllerExpandVolumeRequest) async throws(CSIError) -> Expansion {
    guard !request.volumeID.isEmpty else { throw .missingField("volume_id") }
    guard let range = request.capacity else { throw .missingField("capacity_range") }
    try range.validate()
    guard range.required > 0 || range.limit > 0 else { throw .missingField("capacity_range.required_bytes") }
    if let capability = request.capability { try CapabilityCheck.one(capability, in: "volume_capability") }
    return try await alone(request.volumeID) { () async throws(CSIError) in
      var record = try await existing(request.volumeID)
      guard range.limit == 0 || record.capacityBytes <= range.limit else {
        throw CSIError.outOfRange(
          problem: "volume \(record.id) has \(record.capacityBytes) bytes already and cannot shrink to \(range.limit)")
      }
      // Only a directory of its own shows the size to its pods; a shared path shows the under file system's.
      let nodeShowsSize = record.directory != nil
      if range.required > record.capacityBytes {
        record.capacityBytes = range.required
        if nodeShowsSize { record.context[VolumeContextKey.capacity.name] = String(range.required) }
        let grown = record
        try await asking { () throws(RegistryError) in try await registry.update(grown) }
      }
      return Expansion(capacityBytes: record.capacityBytes, nodeExpansionRequired: nodeShowsSize)
    }
  }
}

extension VolumeRecord {
  /// What of a volume's description by its caller is not this volume; nil when nothing is. The size may be older.
  fileprivate func difference(context: [String: String], parameters: [String: String]) -> String? {
    func own(_ values: [String: String]) -> [String: String] {
      values.filter { !VolumeContextKey.isOrchestrators($0.key) && $0.key != VolumeContextKey.capacity.name }
    }
    if !context.isEmpty, own(context) != own(self.context) { return "volume_context is not that of volume \(id)" }
    if !parameters.isEmpty, own(parameters) != own(self.parameters) {
      return "parameters are not those of volume \(id)"
    }
    return nil
  }
}
