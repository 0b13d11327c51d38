internal import LinuxSystem
internal import Mounter
internal import VolumeModel

/// The mounter that the plugin started itself: where it does not answer, it is started again and asked once more.
struct OwnMounter: VolumeMounter {
  let client: MounterClient
  let launcher: MounterLauncher

  var events: AsyncStream<MounterEvent> { client.events }

  func ensureMounted(
    _ request: MountRequest, secrets: VolumeSecrets?, by deadline: Deadline
  ) async throws(MounterError) -> WorkerStatus {
    try await started(by: deadline) { () async throws(MounterError) in
      try await client.ensureMounted(request, secrets: secrets, by: deadline)
    }
  }

  func unmount(_ key: WorkerKey, abandoningUsers: Bool, by deadline: Deadline) async throws(MounterError) {
    try await started(by: deadline) { () async throws(MounterError) in
      try await client.unmount(key, abandoningUsers: abandoningUsers, by: deadline)
    }
  }

  func status(of key: WorkerKey, by deadline: Deadline) async throws(MounterError) -> WorkerStatus? {
    try await started(by: deadline) { () async throws(MounterError) in try await client.status(of: key, by: deadline) }
  }

  func list(by deadline: Deadline) async throws(MounterError) -> [WorkerStatus] {
    try await started(by: deadline) { () async throws(MounterError) in try await client.list(by: deadline) }
  }

  func refreshSecrets(_ secrets: VolumeSecrets, of key: WorkerKey, by deadline: Deadline) async throws(MounterError) {
    try await started(by: deadline) { () async throws(MounterError) in
      try await client.refreshSecrets(secrets, of: key, by: deadline)
    }
  }

  func updateOptions(
    _ options: WorkerOptions, of key: WorkerKey, by deadline: Deadline
  ) async throws(MounterError) -> WorkerStatus {
    try await started(by: deadline) { () async throws(MounterError) in
      try await client.updateOptions(options, of: key, by: deadline)
    }
  }

  func cacheAccount(of key: WorkerKey) -> SharedDescriptor? { client.cacheAccount(of: key) }

  func sharedPages(of key: WorkerKey) -> SharedPages? { client.sharedPages(of: key) }

  private func started<Value: Sendable>(
    by deadline: Deadline, _ call: () async throws(MounterError) -> Value
  ) async throws(MounterError) -> Value {
    do throws(MounterError) {
      return try await call()
    } catch {
      guard case .unreachable = error else { throw error }
      try await launcher.ensureRunning(by: deadline)
      return try await call()
    }
  }
}
