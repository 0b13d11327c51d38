package import LinuxSystem
internal import VolumeModel

extension ControllerService {
  /// CreateVolume: idempotent by name.
  package func create(_ request: CreateVolumeRequest, by deadline: Deadline) async throws(CSIError) -> Volume {
    let plan = try CreationPlan(request, schemes: schemes)
    return try await alone(plan.id) { () async throws(CSIError) in
      let known = try await asking { () throws(RegistryError) in try await registry.volume(id: plan.id) }
      if let known { try plan.check(against: known) }
      if let known, known.state == .ready { return Volume(known) }
      let place = try plan.context.place(secrets: request.secrets)
      return try await provision(known ?? plan.record, in: place, isResumed: known != nil, by: deadline)
    }
  }

  /// Makes what the record promises. The record stands before the directory does, so that a crash in between leaves
  /// something that a repeated call takes up.
  private func provision(
    _ record: VolumeRecord, in place: ProvisioningPlace, isResumed: Bool, by deadline: Deadline
  ) async throws(CSIError) -> Volume {
    try await directories.checkServed(place.base, by: deadline)
    if !isResumed { try await asking { () throws(RegistryError) in try await registry.insert(record) } }
    var madeDirectory: String?
    do throws(CSIError) {
      if let name = record.directory, try await directories.create(name, owner: record.id, in: place, by: deadline) {
        madeDirectory = name
      }
      var ready = record
      ready.state = .ready
      let final = ready
      try await asking { () throws(RegistryError) in try await registry.update(final) }
      return Volume(final)
    } catch {
      await undo(record, in: place, madeDirectory: madeDirectory)
      throw error
    }
  }

  /// Removes what a failed call made. A directory that was there before, such as one that an earlier volume of the name
  /// retained, stays. Where even this fails the record stays too, and a repeated call takes it up.
  private func undo(_ record: VolumeRecord, in place: ProvisioningPlace, madeDirectory: String?) async {
    // In a task of its own, which the caller's cancellation does not reach.
    await Task {
      do throws(CSIError) {
        if let madeDirectory {
          try await directories.end(madeDirectory, owner: record.id, in: place, .delete, by: .after(.seconds(20)))
        }
        try await asking { () throws(RegistryError) in try await registry.remove(id: record.id) }
      } catch {}
    }.value
  }
}
