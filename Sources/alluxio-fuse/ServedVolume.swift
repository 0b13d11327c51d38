import Fuse
import LinuxSystem
import Logging
import SystemPackage
import UnderFileSystem
import VolumeFileSystem
import VolumeModel

/// One volume that is served, from descriptors that somebody else has opened.
struct ServedVolume: Sendable {
  let fileSystem: VolumeFileSystem
  let session: Session
  /// The volume's object store; nil for a directory.
  let objects: ObjectVolume?

  /// A directory of the node.
  /// - Parameters:
  ///   - root: the open root directory of a `file://` UFS.
  ///   - state: the memfd of the shared state; only read from here on, its mapping stays.
  ///   - fuseInit: reduced to what was granted.
  init(
    root: consuming Descriptor, state: borrowing Descriptor, device: consuming Descriptor, fuseInit: [UInt8],
    options: WorkerOptions, custody: (any NodeCustody)? = nil,
    backings: (any BackingFileRegistry)? = nil, isFollowed: Bool = true, log: Logger
  ) throws(Errno) {
    let files = try VolumeFileSystem(
      underFileSystem: try LocalFileSystem(root: root), state: try SharedState(descriptor: state), options: options,
      custody: custody, passthrough: PassthroughPolicy(registry: backings, smallest: Self.smallestFile),
      isFollowed: isFollowed)
    try self.init(files, nil, device, fuseInit, log)
  }

  /// An object store.
  /// - Parameter backings: who has the kernel read files itself that the page store has; nil: nobody.
  init(
    _ objects: ObjectVolume, state: borrowing Descriptor, device: consuming Descriptor, fuseInit: [UInt8],
    options: WorkerOptions, custody: (any NodeCustody)? = nil,
    backings: (any BackingFileRegistry)? = nil, isFollowed: Bool = true, log: Logger
  ) throws(Errno) {
    objects.update(options)
    let files = try VolumeFileSystem(
      underFileSystem: objects.fileSystem, state: try SharedState(descriptor: state), options: options,
      custody: custody, passthrough: PassthroughPolicy(registry: backings, smallest: Self.smallestFile),
      reading: objects.readPolicy, isFollowed: isFollowed)
    try self.init(files, objects, device, fuseInit, log)
  }

  private init(
    _ files: VolumeFileSystem, _ objects: ObjectVolume?, _ device: consuming Descriptor, _ fuseInit: [UInt8],
    _ log: Logger
  ) throws(Errno) {
    fileSystem = files
    self.objects = objects
    session = try Session(device: device, fuseInit: fuseInit, fileSystem: files, log: log)
  }

  /// Takes over what a republish may change while the volume is mounted.
  func update(_ options: WorkerOptions) {
    fileSystem.update(options)
    objects?.update(options)
  }

  /// What a volume on an object store has counted since its worker began; nil for a directory.
  var counters: VolumeCounters? { objects?.counters(fileSystem.readStatistics) }

  /// What it has answered since its worker began.
  var activity: WorkerActivity {
    let traffic = session.traffic
    var activity = WorkerActivity()
    activity.answered = traffic.answered
    activity.readBytes = traffic.readBytes
    activity.writtenBytes = traffic.writtenBytes
    activity.errors = traffic.errors.sorted { $0.key.rawValue < $1.key.rawValue }
      .map { WorkerActivity.Errors($0.key.rawValue, $0.value) }
    return activity
  }

  #if FAULT_INJECTION
    /// Tests let small files pass as well, by the environment.
    private static var smallestFile: Int64 {
      ProcessEnvironment.value(of: "ALLUXIO_PASSTHROUGH_FROM").flatMap(Int64.init) ?? PassthroughPolicy.smallestFile
    }
  #else
    private static var smallestFile: Int64 { PassthroughPolicy.smallestFile }
  #endif
}
