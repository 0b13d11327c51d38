import CSIDriver
import LinuxSystem
import Logging
import VolumeModel

/// A controller that deletes one volume on an object store, for tests that kill it in the middle of that. Its credentials
/// come from its environment.
///
///     volume-deleter REGISTRY ID
@main
struct VolumeDeleter {
  static func main() async throws {
    let arguments = CommandLine.arguments
    let registry = try DirectoryVolumeRegistry(path: arguments[1], logger: Logger(label: "volume-deleter"))
    let service = ControllerService(
      registry: registry, published: nil, directories: ObjectProvisioningDirectories(), schemes: [.s3])
    try await service.delete(DeleteVolumeRequest(volumeID: arguments[2]), by: .after(.seconds(120)))
  }
}
