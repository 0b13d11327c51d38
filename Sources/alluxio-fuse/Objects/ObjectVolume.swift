import HTTP
import Glibc
import LinuxSystem
import Logging
import ObjectStore
import PageStore
import Synchronization
import SystemPackage
import UnderFileSystem
import VolumeFileSystem
import VolumeModel

/// A volume on an object store, put together: its client, its files, its pages on disk. Made by a worker that has given up
/// its rights, so that it opens nothing by path but what the node's own credentials need.
final class ObjectVolume: Sendable {
  /// Why there is none; a sentence for people without a secret in it.
  enum Problem: Error, CustomStringConvertible {
    /// The volume's secrets are not what they should be.
    case secrets(VolumeContextError)
    /// libcurl is not to be had.
    case library(HTTPError)
    /// The volume's folder on the node cannot be used.
    case folder(String, Errno)

    var description: String {
      switch self {
      case .secrets(let error): "the volume's secret cannot be used: \(error)"
      case .library(let error): error.message
      case .folder(let name, let error): "the volume's folder \(name) in the node's page store cannot be used: \(error)"
      }
    }
  }

  let fileSystem: ObjectFileSystem
  /// For the volume's `VolumeFileSystem`.
  let readPolicy: ReadPolicy
  let client: ObjectStoreClient
  let pages: PageStore?
  private let sources: CredentialSources
  /// What `replaceSecrets` was given last, and whether the service took it.
  private let secrets: Mutex<(values: [String: String], isAccepted: Bool)>
  /// Of all keys, with its slash; empty for the whole bucket.
  private let prefix: ObjectKey

  /// - Parameters:
  ///   - folder: the worker key's own in the page store, opened for reading; what is missing in it is made. nil: nothing is
  ///     cached, and no file can be written.
  ///   - sharedPages: where pages are kept instead, together with those of other volumes.
  ///   - account: by which the node's budget allows the volume pages; nil: its quota is all that bounds them.
  ///   - secrets: of the CSI call; empty: the node's own credentials where the request allows them, or none.
  ///   - environment: of the node: `AWS_*` and `OSS_*`, proxies, `SSL_CERT_FILE`, `HOME`.
  ///   - isSameMount: a worker before this one has served the mount; what it was writing is taken up.
  init(
    _ request: ObjectStoreRequest, path: UnderFileSystemURI, folder: consuming Descriptor?,
    sharedPages: consuming Descriptor? = nil, account: CacheAccount? = nil, secrets: [String: String],
    environment: [String: String], isSameMount: Bool,
    options: WorkerOptions = WorkerOptions(), log: Logger
  ) throws(Problem) {
    let sources = try CredentialSources(request, path.scheme, environment)
    let source: any CredentialSource
    do throws(VolumeContextError) { source = try sources.source(secrets) } catch { throw .secrets(error) }
    self.sources = sources
    self.secrets = Mutex((secrets, true))
    prefix = ObjectKey(bytes: path.path.isEmpty ? [] : Array(path.path.utf8) + [UInt8(ascii: "/")])
    // One thread for all that waits.
    let clock = SystemRequestClock()
    client = ObjectStoreClient(
      Endpoint(path, request.properties, defaultRegion: NodeCredentials.region { environment[$0] }),
      transport: sources.transport, credentials: CredentialStore(source, clock: clock), clock: clock, log: log)
    let sharedPages = Self.shared(sharedPages)
    let volumeFolder = try VolumeFolder(Self.shared(folder), isSameMount: isSameMount)
    pages = volumeFolder.pageStore(request, sharedPages, account)
    var policy = ReadPolicy(cache: pages.map { StoredPages($0, isShared: sharedPages != nil) })
    // A cgroup without room for the buffers would end the worker with the first large read.
    if let limit = options.memoryLimitBytes { policy.memoryBudget = min(policy.memoryBudget, Int(clamping: limit / 4)) }
    readPolicy = policy
    fileSystem = ObjectFileSystem(
      bucket: ClientBucket(client), prefix: path.path.utf8,
      options: ObjectFileSystemOptions(directoryTime: volumeFolder.mountTime), spools: volumeFolder.spools,
      log: VolumeLog(log))
    update(options)
    do throws(Errno) { try fileSystem.adoptSpools(isSameMount: isSameMount) } catch { throw .folder("spools", error) }
  }

  private static func shared(_ folder: consuming Descriptor?) -> SharedDescriptor? {
    switch consume folder {
    case .some(let folder): SharedDescriptor(folder)
    case .none: nil
    }
  }

  /// Takes over what a republish may change: how long names and attributes are believed.
  func update(_ options: WorkerOptions) {
    fileSystem.update(
      entryTimeout: UInt64(options.entryTimeoutMilliseconds) * 1_000_000,
      attributeTimeout: UInt64(options.attributeTimeoutMilliseconds) * 1_000_000)
  }

  /// What is wrong with the store, in one line; nil: nothing. Waits, but not past the deadline.
  func check(by deadline: Deadline) -> Diagnosis? { client.check(prefix: prefix, by: deadline) }

  /// Takes other secrets, once the service has answered a request that they signed; the old ones stay in use until then, and
  /// where it refuses them. The same ones again are not tried again. Waits, but not past the deadline.
  /// - Returns: why they were not taken; nil: they were.
  func replaceSecrets(_ values: [String: String], by deadline: Deadline) -> String? {
    let known = secrets.withLock { $0 }
    if known.isAccepted, known.values == values { return nil }
    let problem = known.isAccepted && sources.keepToken(of: values) ? nil : tryOut(values, by: deadline)
    secrets.withLock { $0 = (values, problem == nil) }
    return problem
  }

  private func tryOut(_ values: [String: String], by deadline: Deadline) -> String? {
    let source: any CredentialSource
    do throws(VolumeContextError) { source = try sources.source(values) } catch {
      return Problem.secrets(error).description
    }
    do throws(ObjectStoreError) {
      try client.replaceCredentials(with: source, prefix: prefix, by: deadline)
      return nil
    } catch {
      return client.diagnosis(of: error, prefix: prefix).sentence
    }
  }

  /// Writes what the next worker's page store starts with. Fills that wait are waited for until the deadline.
  func close(by deadline: Deadline) { pages?.close(until: deadline) }
}

/// The folder of a worker key: `pages/`, `spools/`, and `mounted`, whose time is that of the mount.
private struct VolumeFolder {
  /// Nanoseconds since 1970, the same for all workers of a mount.
  let mountTime: Int64
  let spools: SpoolFolder?
  private let pages: SharedDescriptor?

  init(_ folder: SharedDescriptor?, isSameMount: Bool) throws(ObjectVolume.Problem) {
    guard let folder else {
      (mountTime, spools, pages) = (WallClock.coarseNanoseconds, nil, nil)
      return
    }
    mountTime = try Self.attempt("itself") { () throws(Errno) in
      try Self.mountTime(folder.descriptor, isSameMount)
    }
    spools = SpoolFolder(
      try Self.attempt("spools") { () throws(Errno) in try Self.open("spools", in: folder.descriptor) })
    pages = try Self.attempt("pages") { () throws(Errno) in try Self.open("pages", in: folder.descriptor) }
  }

  private static func attempt<Value>(
    _ name: String, _ body: () throws(Errno) -> Value
  ) throws(ObjectVolume.Problem) -> Value {
    do throws(Errno) { return try body() } catch { throw .folder(name, error) }
  }

  private static func open(_ name: String, in folder: borrowing Descriptor) throws(Errno) -> SharedDescriptor {
    do throws(Errno) { try folder.makeDirectory(name, mode: 0o700) } catch .fileExists {}
    return SharedDescriptor(try folder.open(at: name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW))
  }

  private static func mountTime(_ folder: borrowing Descriptor, _ isSameMount: Bool) throws(Errno) -> Int64 {
    let name = Array("mounted".utf8) + [0]
    if !isSameMount {
      do throws(Errno) { try folder.remove(name: name, directory: false) } catch .noSuchFileOrDirectory {}
    }
    return try folder.open(name: name, O_RDONLY | O_CREAT | O_NOFOLLOW, mode: 0o600).status().modificationTime
  }

  /// nil where the volume is to keep nothing.
  func pageStore(
    _ request: ObjectStoreRequest, _ sharedPages: SharedDescriptor?, _ account: CacheAccount?
  ) -> PageStore? {
    guard let own = pages, request.pageStoreBytes > 0 else { return nil }
    if sharedPages != nil { Self.clear(own) }
    let pages = sharedPages ?? own
    var configuration = PageStore.Configuration(quota: Int64(clamping: request.pageStoreBytes))
    configuration.pageSize = Int(request.pageSize)
    configuration.account = account
    configuration.isShared = sharedPages != nil
    configuration.keepsWhole = request.cachePassthrough
    return PageStore(folder: pages.descriptor, configuration: configuration)
  }

  /// Pages from when the volume shared with nobody are of no use any more.
  private static func clear(_ pages: SharedDescriptor) {
    // What fails leaves them to the plugin.
    _ = try? DetachedThread.start(name: "page-clear", stackSize: 256 << 10) {
      try? FolderUsage.clear(pages.descriptor)
    }
  }
}
