internal import LinuxSystem
internal import SystemPackage
internal import VolumeModel

/// Makes a volume's mount, from nothing to a kernel that waits for a worker. Blocks as long as the under file system does:
/// runs on a thread of its own.
struct MountStep: Sendable {
  let request: MountRequest
  /// Mount points lie beneath it.
  let stateDirectory: String
  /// Who workers for object stores run as.
  let workerUsers: Range<UInt32>
  /// Capabilities that count as not offered by the kernel.
  var withheld: FuseInitFlags = []

  /// What a mount came with beside itself.
  struct Outcome: Sendable {
    var mount: VolumeMount
    /// Sentences for the log: things that are not as they should be and do no harm now.
    var warnings: [String]
  }

  /// Leaves nothing behind when it throws.
  func run() throws(MounterError) -> Outcome {
    let mountPoint = try checkedMountPoint()
    let source = try openSource()
    var warnings: [String] = []
    let leftovers = try mountPoint.clear()
    if leftovers > 0 {
      warnings.append("took away \(leftovers) mounts that an earlier mounter had left at \(mountPoint.path)")
    }
    if !(try mountPoint.make()) {
      warnings.append("the file system of \(mountPoint.path) cannot make the folder under the mount immutable")
    }
    do throws(MounterError) {
      let mount = try mountFuse(at: mountPoint, source)
      warnings += setReadAhead(mount)
      return Outcome(mount: mount, warnings: warnings)
    } catch {
      try? mountPoint.remove()
      throw error
    }
  }

  /// Who may call the mounter may mount, yet only where mounts of volumes belong.
  private func checkedMountPoint() throws(MounterError) -> MountPoint {
    let expected = MountPoint(of: request.key, in: stateDirectory)
    guard request.mountPoint == expected.path else {
      throw .system(
        .invalidArgument,
        step: "mounting at \(request.mountPoint) instead of \(expected.path): give plugin and mounter one --state-dir")
    }
    return expected
  }

  /// What a worker serves from: one of both.
  private struct Source {
    var root: SharedDescriptor?
    var pageFolder: SharedDescriptor?
    var sharedPages: SharedDescriptor?
    var cacheAccount: SharedDescriptor?
  }

  /// Whether an object store serves the volume, its worker finds out.
  private func openSource() throws(MounterError) -> Source {
    if request.underFileSystem.scheme == .file { return Source(root: try openDirectory()) }
    guard let store = request.objectStore else {
      throw .malformed(reason: "a volume on an object store came without its settings")
    }
    return Source(
      pageFolder: try PageFolder(of: request.key, in: store.pageStore, users: workerUsers).open(),
      sharedPages: try store.sharedPages.map { (name) throws(MounterError) in
        try PageFolder(of: name, in: store.pageStore, users: workerUsers).open()
      },
      cacheAccount: try Self.makeAccount(allowing: store.pageStoreBytes))
  }

  private func openDirectory() throws(MounterError) -> SharedDescriptor {
    let path = request.underFileSystem.path
    do throws(DirectoryRoots.Failure) {
      return try DirectoryRoots.open(path, beneath: request.fileRoots).directory
    } catch {
      switch error {
      case .noRootsConfigured: throw .noFileRoots(path: path)
      case .absent: throw .underFileSystemAbsent(path: path)
      case .notADirectory: throw .underFileSystemNotADirectory(path: path)
      case .notPermitted: throw .underFileSystemNotPermitted(path: path)
      case .outsideRoots: throw .underFileSystemOutsideRoots(path: path)
      // A chain of symbolic links without an end leads to no directory.
      case .other(.tooManySymbolicLinkLevels): throw .underFileSystemNotADirectory(path: path)
      case .other(let error): throw .system(error, step: "opening file://\(path)")
      }
    }
  }

  /// The mount itself is never read-only: that belongs to each bind mount and, where every publish is read-only, to the
  /// worker, which can be told otherwise later.
  private func mountFuse(at mountPoint: MountPoint, _ source: Source) throws(MounterError) -> VolumeMount {
    let fuse: FuseMount
    do throws(FuseMount.Failure) {
      fuse = try FuseMount.mount(
        at: mountPoint.path, onRequest: request.wantsPassthrough ? .passthrough : [], withheld: withheld)
    } catch {
      throw .system(error.error, step: Self.sentence(error.step, mountPoint.path))
    }
    let reduced = fuse.request.reduced(to: fuse.reply.granted)
    do throws(MounterError) {
      // fuse_out_header takes 16 bytes, fuse_init_out follows.
      let state = try Self.makeSharedState(initRequest: reduced, initReply: Array(fuse.reply.bytes.dropFirst(16)))
      let device: Descriptor
      do throws(Errno) { device = try fuse.device.duplicate() } catch {
        throw .system(error, step: "keeping the FUSE device")
      }
      return VolumeMount(
        mountPoint: mountPoint.path, connection: fuse.connection.number, fuseInit: reduced,
        granted: fuse.reply.granted, fuseDevice: SharedDescriptor(device), sharedState: SharedDescriptor(state),
        underFileSystemRoot: source.root, pageFolder: source.pageFolder,
        sharedPages: source.sharedPages, cacheAccount: source.cacheAccount)
    } catch {
      try? Mount.unmount(mountPoint.path, flags: [.detach, .noFollow])
      throw error
    }
  }

  /// Of PageStore's `CacheAccount` nothing is known here but its size, and that it begins with what the worker may keep:
  /// the volume's quota, until somebody divides the node's page store.
  private static func makeAccount(allowing bytes: UInt64) throws(MounterError) -> SharedDescriptor {
    try failing("making the account of the volume's pages") { () throws(Errno) in
      let memory = try Memfd.create(name: "page-account", byteCount: 4_096, sealing: [.shrink, .grow, .seal])
      try memory.writeAll((0..<8).map { UInt8(truncatingIfNeeded: bytes >> (8 * $0)) })
      return SharedDescriptor(memory)
    }
  }

  private static func makeSharedState(initRequest: [UInt8], initReply: [UInt8]) throws(MounterError) -> Descriptor {
    let nodes = SharedStateLayout.defaultMaxNodes
    guard let header = SharedStateLayout.header(maxNodes: nodes, initRequest: initRequest, initReply: initReply) else {
      throw .system(.protocolError, step: "keeping a FUSE_INIT of \(initRequest.count) bytes")
    }
    return try failing("making the volume's shared state") { () throws(Errno) in
      let memory = try Memfd.create(name: "alluxio-volume", byteCount: SharedStateLayout.size(maxNodes: nodes))
      try memory.writeAll(header)
      try Memfd.seal(memory, .shrink)
      return memory
    }
  }

  private func setReadAhead(_ mount: VolumeMount) -> [String] {
    do throws(Errno) {
      try FuseConnection(number: mount.connection).setReadAhead(bytes: request.options.readAheadBytes)
      return []
    } catch {
      return ["the kernel's read-ahead of \(mount.mountPoint) stays as it is (\(error)): sequential reads are slower"]
    }
  }

  private static func sentence(_ step: FuseMount.Failure.Step, _ path: String) -> String {
    switch step {
    case .openingDevice: "opening /dev/fuse (is the kernel module fuse loaded, and the device in the container?)"
    case .mounting: "mounting at \(path) (this needs CAP_SYS_ADMIN)"
    case .readingInit: "reading FUSE_INIT"
    case .answeringInit: "answering FUSE_INIT"
    case .findingMount: "finding the mount at \(path) in /proc/self/mountinfo"
    }
  }
}
