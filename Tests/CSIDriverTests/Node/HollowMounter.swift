import Glibc
import LinuxSystem
import Mounter
import Synchronization
import SystemPackage
import VolumeModel

/// A mounter whose FUSE mounts are real and served by nobody: they hang while their device is open and are dead after it is
/// closed. For what the node service makes of mounts, faults and mounters that are away; what volumes hold is tested with
/// the real mounter.
final class HollowMounter: VolumeMounter {
  /// What the next calls do wrong.
  struct Faults: Sendable {
    var ensureMounted: MounterError?
    var unmount: MounterError?
    /// Mounting takes until the caller's deadline, or until the caller is gone.
    var isSlow = false
    /// Told by each slow call that it has begun.
    var slowCalls: AsyncStream<Void>.Continuation?
    /// Every call fails so.
    var all: MounterError?
  }

  private struct State {
    var statuses: [String: WorkerStatus] = [:]
    var devices: [String: SharedDescriptor] = [:]
    var faults = Faults()
    var calls: [String] = []
    var secrets: [String: VolumeSecrets] = [:]
  }

  private let state = Mutex(State())
  let events: AsyncStream<MounterEvent>
  private let sender: AsyncStream<MounterEvent>.Continuation

  init() { (events, sender) = AsyncStream.makeStream() }

  /// The calls so far, as `mount volume` or `unmount volume`.
  var calls: [String] { state.withLock { $0.calls } }
  var statuses: [WorkerStatus] { state.withLock { Array($0.statuses.values) } }
  func secrets(of key: WorkerKey) -> VolumeSecrets? { state.withLock { $0.secrets[key.name] } }
  func setFaults(_ faults: Faults) { state.withLock { $0.faults = faults } }

  /// The worker dies as by kill -9: the connection ends, every mount of it is a corpse.
  func kill(_ key: WorkerKey, reason: String = "killed by signal 9") {
    let status = state.withLock { state -> WorkerStatus? in
      state.devices[key.name] = nil
      state.statuses[key.name]?.state = .failed(reason: reason)
      state.statuses[key.name]?.pid = nil
      return state.statuses[key.name]
    }
    if let status { sender.yield(.changed(status)) }
  }

  /// Says this of a volume to whoever listens, without changing what it answers.
  func report(_ status: WorkerStatus) { sender.yield(.changed(status)) }

  /// Forgets a volume without unmounting it, as a mounter does that is replaced.
  func lose(_ key: WorkerKey) {
    state.withLock { state in
      state.statuses[key.name] = nil
      state.devices[key.name] = nil
    }
  }

  func ensureMounted(
    _ request: MountRequest, secrets: VolumeSecrets?, by deadline: Deadline
  ) async throws(MounterError) -> WorkerStatus {
    let faults = state.withLock { $0.faults }
    if faults.isSlow {
      faults.slowCalls?.yield()
      let milliseconds = Int32(clamping: Int(deadline.remaining() / .milliseconds(1)))
      _ = try? await BlockingCall.run(name: "a slow mount", deadline: .never) { poll(nil, 0, milliseconds) }
      throw .deadline(step: "mounting")
    }
    let outcome = state.withLock { state -> Result<WorkerStatus, MounterError> in
      if let fault = state.faults.all ?? state.faults.ensureMounted { return .failure(fault) }
      if let secrets { state.secrets[request.key.name] = secrets }
      if let status = state.statuses[request.key.name] {
        if status.request != request { return .failure(.incompatible(key: request.key, difference: "request")) }
        return .success(status)
      }
      state.calls.append("mount \(request.key.volumeID)")
      do throws(Errno) {
        let (device, connection) = try Self.mount(at: request.mountPoint)
        state.devices[request.key.name] = device
        let status = WorkerStatus(request: request, state: .ready, pid: 1, connection: connection)
        state.statuses[request.key.name] = status
        return .success(status)
      } catch {
        return .failure(.system(error, step: "mount"))
      }
    }
    return try outcome.get()
  }

  private static func mount(at path: String) throws(Errno) -> (SharedDescriptor, UInt32) {
    try Folder.makeAll(path)
    let device = SharedDescriptor(try FuseDevice.open())
    try Mount.mount(
      source: "alluxio-fuse", target: path, type: "fuse.alluxio-fuse", flags: .volume,
      data: "fd=\(device.rawValue),rootmode=40000,user_id=0,group_id=0,allow_other")
    guard let entry = try MountTable.read().visible(at: path) else { throw Errno.noSuchFileOrDirectory }
    return (device, entry.minor)
  }

  func unmount(_ key: WorkerKey, abandoningUsers: Bool, by deadline: Deadline) async throws(MounterError) {
    let outcome = state.withLock { state -> Result<Void, MounterError> in
      if let fault = state.faults.all ?? state.faults.unmount { return .failure(fault) }
      guard let status = state.statuses.removeValue(forKey: key.name) else { return .success(()) }
      state.calls.append("unmount \(key.volumeID)")
      try? Mount.unmount(status.request.mountPoint, flags: [.detach, .noFollow])
      state.devices[key.name] = nil
      state.secrets[key.name] = nil
      return .success(())
    }
    try outcome.get()
  }

  func status(of key: WorkerKey, by deadline: Deadline) async throws(MounterError) -> WorkerStatus? {
    try answer { $0.statuses[key.name] }
  }

  func list(by deadline: Deadline) async throws(MounterError) -> [WorkerStatus] {
    try answer { Array($0.statuses.values) }
  }

  func refreshSecrets(_ secrets: VolumeSecrets, of key: WorkerKey, by deadline: Deadline) async throws(MounterError) {
    try answer { $0.secrets[key.name] = secrets }
  }

  func updateOptions(
    _ options: WorkerOptions, of key: WorkerKey, by deadline: Deadline
  ) async throws(MounterError) -> WorkerStatus {
    let status = try answer { state -> WorkerStatus? in
      state.statuses[key.name]?.request.options = options
      return state.statuses[key.name]
    }
    guard let status else { throw .notMounted(key) }
    return status
  }

  private func answer<Value: Sendable>(_ body: (inout sending State) -> sending Value) throws(MounterError) -> Value {
    let outcome = state.withLock { state -> Result<Value, MounterError> in
      if let fault = state.faults.all { return .failure(fault) }
      return .success(body(&state))
    }
    return try outcome.get()
  }
}
