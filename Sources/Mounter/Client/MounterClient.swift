package import LinuxSystem
package import VolumeModel

/// A mounter that listens at a socket. The connection is made with the first call and again after it was lost.
package final class MounterClient: VolumeMounter {
  /// Absolute path of the mounter's socket.
  package let socket: String
  package let events: AsyncStream<MounterEvent>

  private let sender: AsyncStream<MounterEvent>.Continuation

  /// - Parameter program: name and version of the calling program, for the mounter's log.
  package init(socket: String, program: String) {
    self.socket = socket
    (events, sender) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1_024))
  }

  package func ensureMounted(
    _ request: MountRequest, secrets: VolumeSecrets?, by deadline: Deadline
  ) async throws(MounterError) -> WorkerStatus {
    throw .unreachable(socket: socket, reason: "no mounter")
  }

  package func unmount(_ key: WorkerKey, abandoningUsers: Bool, by deadline: Deadline) async throws(MounterError) {
    throw .unreachable(socket: socket, reason: "no mounter")
  }

  package func status(of key: WorkerKey, by deadline: Deadline) async throws(MounterError) -> WorkerStatus? {
    throw .unreachable(socket: socket, reason: "no mounter")
  }

  package func list(by deadline: Deadline) async throws(MounterError) -> [WorkerStatus] {
    throw .unreachable(socket: socket, reason: "no mounter")
  }

  package func refreshSecrets(
    _ secrets: VolumeSecrets, of key: WorkerKey, by deadline: Deadline
  ) async throws(MounterError) {
    throw .unreachable(socket: socket, reason: "no mounter")
  }

  package func updateOptions(
    _ options: WorkerOptions, of key: WorkerKey, by deadline: Deadline
  ) async throws(MounterError) -> WorkerStatus {
    throw .unreachable(socket: socket, reason: "no mounter")
  }

  /// Asks the mounter to end. Without `unmountingAll` its mounts and workers stay.
  package func shutdown(unmountingAll: Bool, by deadline: Deadline) async throws(MounterError) {
    throw .unreachable(socket: socket, reason: "no mounter")
  }
}
