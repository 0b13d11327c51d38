package import LinuxSystem
internal import Logging
internal import ObjectStore
internal import SystemPackage
internal import UnderFileSystem
package import VolumeModel

/// Prefixes of s3:// and oss:// under file systems.
///
/// Moving or removing a large one takes longer than a call may: the call ends in time with what it has done, and its
/// repetition goes on. Until what an earlier call began has really ended, another one for the same prefix is refused, so
/// that nothing of it meets a volume that is made anew.
package final class ObjectProvisioningDirectories: ProvisioningDirectories {
  private let service: ObjectStoreService
  private let calls = PrefixesInUse()

  /// How long before its caller's deadline a call ends by itself, at most: its answer says how far it came.
  private static let margin: Duration = .seconds(1)

  /// - Parameter variable: of the controller's environment; of this process unless a test gives others.
  package init(variable: @escaping @Sendable (String) -> String? = { ProcessEnvironment.value(of: $0) }) {
    service = ObjectStoreService(variable: variable)
  }

  /// Every bucket may be served: what may be done with it is up to the credentials.
  package func checkServed(_ base: UnderFileSystemURI, by deadline: Deadline) async throws(CSIError) {}

  package func create(
    _ name: String, owner volumeID: String, in place: ProvisioningPlace, by deadline: Deadline
  ) async throws(CSIError) -> Bool {
    let step = "create the directory \(name) of volume \(volumeID)"
    return try await run(step, name, in: place, by: deadline) { directories throws(VolumeDirectoryError) in
      try directories.createDirectory(named: FileName(bytes: name.utf8), owner: volumeID)
    }
  }

  /// Looks for nothing: calls about volumes carry no secrets, and would ask once for each volume of a list.
  package func check(
    _ name: String, owner volumeID: String, in base: UnderFileSystemURI, by deadline: Deadline
  ) async throws(CSIError) {}

  package func end(
    _ name: String, owner volumeID: String, in place: ProvisioningPlace, _ action: VolumeContext.OnDelete,
    by deadline: Deadline
  ) async throws(CSIError) {
    guard action != .retain else { return }
    let step = "\(action.rawValue) the directory \(name) of volume \(volumeID)"
    try await run(step, name, in: place, by: deadline) { directories throws(VolumeDirectoryError) in
      let name = FileName(bytes: name.utf8)
      switch action {
      case .retain: break
      case .delete: try directories.removeDirectory(named: name, owner: volumeID)
      case .archive: try directories.archiveDirectory(named: name, owner: volumeID)
      }
    }
  }

  /// As much as anybody asks for: buckets do not tell.
  package func capacity(of base: UnderFileSystemURI?, by deadline: Deadline) async throws(CSIError) -> UInt64 { .max }

  /// Runs `body` on a thread that may wait for the network.
  private func run<Value: Sendable>(
    _ step: String, _ name: String, in place: ProvisioningPlace, by deadline: Deadline,
    _ body: @escaping @Sendable (ObjectVolumeDirectories) throws(VolumeDirectoryError) -> Value
  ) async throws(CSIError) -> Value {
    let directory = place.base.appending(name)
    guard let hold = calls.hold(directory) else { throw .inProgress(what: "directory", name: "\(directory)") }
    let remaining = deadline.remaining()
    let early = deadline == .never ? deadline : .after(remaining - min(Self.margin, remaining / 10))
    let work = PrefixWork(by: early)
    let service = service
    let result: Result<Value, CSIError>
    do throws(BlockingCallError) {
      result = try await BlockingCall.run(name: "\(step) in \(place.base)", deadline: deadline) { () throws(Errno) in
        defer { hold.end() }
        do throws(CSIError) {
          let client = try service.client(for: place)
          let directories = ObjectVolumeDirectories(
            bucket: ClientBucket(client, by: early), prefix: place.base.path.utf8, work: work)
          do throws(VolumeDirectoryError) { return .success(try body(directories)) } catch {
            let prefix = ObjectKey(place.base.path)
            throw .volumeDirectory(error, step, in: place.base) { client.diagnosis(of: $0, prefix: prefix).sentence }
          }
        } catch { return .failure(error) }
      }
    } catch {
      work.cancel()
      throw CSIError(error)
    }
    return try result.get()
  }
}
