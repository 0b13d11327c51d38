import CSIDriver
import HTTP
import LinuxSystem
import Logging
import ObjectStore
import ObjectStoreServers
import TestSupport
import Testing
import VolumeModel

/// A controller over a registry on disk and a real server of S3, with a fault proxy between them.
struct ObjectStoreFixture {
  static let pair = ObjectStoreCredentials(
    accessKeyID: "canary-access-key-0123456789", secretKey: "canary-secret-key-0123456789")
  static let secrets = ["s3a.accessKeyId": pair.accessKeyID, "s3a.secretKey": pair.secretKey]

  let folder: TemporaryDirectory
  let server: ServerProcess
  let proxy: FaultProxy
  let registry: DirectoryVolumeRegistry
  let service: ControllerService
  /// Past the proxy.
  private let direct: ObjectStoreClient

  /// - Parameter count: objects in the volume "big", whose directory is there with its owner's marker.
  static func moto(holding count: Int = 0) throws -> ObjectStoreFixture {
    let fixture = try ObjectStoreFixture(
      try TemporaryDirectory("objects"), .moto(bucket: "bucket", holding: count, keys: "base/vol-big/%06d"))
    if count > 0 { try fixture.put("base/vol-big/.alluxio.volume", "big") }
    return fixture
  }

  static func rclone() throws -> ObjectStoreFixture {
    let folder = try TemporaryDirectory("objects")
    try folder.makeDirectory("store")
    try folder.makeDirectory("store/bucket")
    let server = try ServerProcess.rclone(
      folder: folder.appending("store"), accessKey: pair.accessKeyID, secretKey: pair.secretKey)
    return try ObjectStoreFixture(folder, server)
  }

  private init(_ folder: TemporaryDirectory, _ server: ServerProcess) throws {
    self.folder = folder
    self.server = server
    proxy = try FaultProxy(before: server)
    registry = try DirectoryVolumeRegistry(path: folder.appending("registry"), logger: .silent)
    service = Self.service(registry)
    var properties = ObjectStoreProperties()
    properties.address = try ObjectStoreAddress(parsing: server.url)
    direct = ObjectStoreClient(
      Endpoint(try UnderFileSystemURI(parsing: "s3://bucket"), properties), transport: try HTTPClient(),
      credentials: CredentialStore(GivenCredentials(Self.pair)), log: .silent)
  }

  /// - Parameter variables: the controller's environment.
  static func service(_ registry: any VolumeRegistry, _ variables: [String: String] = [:]) -> ControllerService {
    ControllerService(
      registry: registry, published: nil,
      directories: ProvisioningDirectoriesByScheme(
        local: LocalProvisioningDirectories(fileRoots: []),
        objects: ObjectProvisioningDirectories { ["AWS_EC2_METADATA_DISABLED": "true"].merging(variables) { $1 }[$0] }),
      schemes: [.file, .s3, .oss])
  }

  func parameters(_ onDelete: String, _ more: [String: String] = [:]) -> [String: String] {
    [
      "path": "s3://bucket/base", "provisioning": "directory", "directoryPattern": "vol-${volume.id}",
      "onDelete": onDelete, "alluxio.underfs.s3.endpoint": proxy.url,
    ].merging(more) { $1 }
  }

  @discardableResult
  func create(
    _ name: String, _ parameters: [String: String], secrets: [String: String] = secrets
  ) async throws(CSIError) -> Volume {
    try await service.create(
      CreateVolumeRequest(
        name: name, capabilities: [ControllerFixture.capability], parameters: parameters, secrets: secrets),
      by: .after(.patient))
  }

  func delete(
    _ id: String, secrets: [String: String] = secrets, by deadline: Deadline = .after(.patient)
  ) async throws(CSIError) {
    try await service.delete(DeleteVolumeRequest(volumeID: id, secrets: secrets), by: deadline)
  }

  /// The error of a call that must fail.
  func error(_ body: () async throws(CSIError) -> Void) async -> CSIError? {
    do throws(CSIError) {
      try await body()
      return nil
    } catch {
      return error
    }
  }

  // MARK: The bucket

  func put(_ key: String, _ text: String) throws {
    _ = try direct.perform(.put(ObjectKey(key), .bytes(Array(text.utf8))), by: .after(.patient))
  }

  func beginUpload(_ key: String) throws {
    _ = try direct.perform(.createUpload(ObjectKey(key)), by: .after(.patient))
  }

  func uploads() throws -> [String] {
    try direct.perform(.listUploads(), by: .after(.patient)).uploads.map(\.key.description)
  }

  func keys(_ prefix: String = "") throws -> [String] {
    var keys: [String] = []
    var next: ListPage.Continuation?
    repeat {
      let page = try direct.perform(
        .list(prefix: ObjectKey(prefix), delimiter: nil, continuation: next), by: .after(.patient))
      keys += page.objects.map(\.key.description)
      next = page.next
    } while next != nil
    return keys
  }

  /// Until a rule of the proxy has acted.
  func waitUntilInjected(_ rule: Int = 0) async throws {
    let proxy = proxy
    try await OwnThread.run {
      let end = Deadline.after(.patient)
      while try proxy.injected()[rule] == 0 { try #require(!end.hasPassed) }
    }
  }
}
