import Fuse
import Glibc
import LinuxSystem
import Logging
import SystemPackage
import VolumeModel

/// A mount that lives as long as this process: made, served, and taken away on a signal or an error.
struct ForegroundMount {
  let options: MountOptions
  let mountPoint: String
  /// Record what a next worker would need, as the workers of a mounter do; here there is none. Off for benchmarks, which
  /// show what that costs.
  var recordsForNext = true

  /// Returns when the mount is gone.
  func run() throws(MountProblem) {
    guard geteuid() == 0 else { throw .notRoot }
    let directory = options.objects == nil ? try openDirectory() : nil
    let target = try checkedMountPoint(source: directory?.canonical)
    ProcessSettings.apply()
    // Before any thread is made, so that no thread takes these signals.
    let signals = try serving { () throws(Errno) in try SignalFD([SIGINT, SIGTERM, SIGHUP, SIGUSR1]) }
    if let directory { return try run(.directory(directory.directory), at: target, signals) }
    guard let own = options.objects else { return }
    let objects = try ObjectMount(own, options, Logger(label: "mount"))
    defer { objects.close() }
    try run(.objects(objects.volume), at: target, signals)
  }

  /// What is shown.
  private enum Source {
    case directory(SharedDescriptor)
    case objects(ObjectVolume)
  }

  private func run(_ source: Source, at target: String, _ signals: SignalFD) throws(MountProblem) {
    let fuse = try mount(at: target)
    do throws(MountProblem) {
      try serve(fuse, source, target, signals)
    } catch {
      try? Mount.unmount(target, flags: [.detach, .noFollow])
      throw error
    }
  }

  private func openDirectory() throws(MountProblem) -> DirectoryRoots.Opened {
    let path = options.source.path
    do throws(DirectoryRoots.Failure) {
      return try DirectoryRoots.open(path, beneath: ["/"])
    } catch {
      switch error {
      case .absent, .noRootsConfigured, .outsideRoots: throw .sourceMissing(path)
      case .notADirectory: throw .sourceNotADirectory(path)
      case .notPermitted: throw .sourceNotPermitted(path)
      case .other(let error): throw .sourceUnusable(path, error)
      }
    }
  }

  /// - Parameter source: the directory that is shown, if it is one.
  /// - Returns: the canonical path.
  private func checkedMountPoint(source: String?) throws(MountProblem) -> String {
    let path: String
    do throws(Errno) {
      path = try Descriptor.open(mountPoint, O_RDONLY | O_DIRECTORY).path()
      guard try DirectoryNames.list(path).isEmpty else { throw Errno.directoryNotEmpty }
    } catch .noSuchFileOrDirectory {
      throw .mountPointMissing(mountPoint)
    } catch .notDirectory {
      throw .mountPointNotADirectory(mountPoint)
    } catch .directoryNotEmpty {
      throw .mountPointNotEmpty(mountPoint)
    } catch {
      throw .mountPointUnusable(mountPoint, error)
    }
    if let source, path == source || source == "/" || path.hasPrefix(source + "/") {
      throw .mountPointInside(path, source: source)
    }
    return path
  }

  private func mount(at target: String) throws(MountProblem) -> FuseMount {
    do throws(FuseMount.Failure) {
      let passes = options.objects.map(\.store.cachePassthrough) ?? options.worker.passthrough
      return try FuseMount.mount(at: target, flags: options.flags, onRequest: passes ? .passthrough : [])
    } catch {
      switch error.step {
      case .openingDevice: throw .noDevice(error.error)
      default: throw .mountFailed(target, error.error)
      }
    }
  }

  private func serve(
    _ fuse: borrowing FuseMount, _ source: Source, _ target: String, _ signals: SignalFD
  ) throws(MountProblem) {
    let log = Logger(label: "mount")
    let volume = try serving { () throws(Errno) in try makeVolume(fuse, source, log) }
    try serving { () throws(Errno) in try volume.session.start() }
    do throws(Errno) { try fuse.connection.setReadAhead(bytes: options.worker.readAheadBytes) } catch {
      log.info("the kernel's read-ahead stays as it is", metadata: ["error": "\(error)"])
    }
    print("\(options.source) is mounted at \(target); Ctrl-C unmounts it")
    fflush(nil)
    StartupText.release()
    let end = ForegroundWait(volume: volume, target: target, connection: fuse.connection, log: log).run(signals)
    if let counters = volume.counters { print(counters.line) }
    if end == .stopped { try? Mount.unmount(target, flags: [.detach, .noFollow]) }
    if case .failed(let error) = end { throw .servingFailed(error) }
  }

  private func makeVolume(
    _ fuse: borrowing FuseMount, _ source: Source, _ log: Logger
  ) throws(Errno) -> ServedVolume {
    let fuseInit = fuse.request.reduced(to: fuse.reply.granted)
    let state = try SharedMemoryFile.make(fuseInit: fuseInit, reply: fuse.reply.body)
    let device = try fuse.device.duplicate()
    switch source {
    case .directory(let root):
      return try ServedVolume(
        root: try root.descriptor.duplicate(), state: state, device: device, fuseInit: fuseInit,
        options: options.worker, backings: try backings(fuse), isFollowed: recordsForNext, log: log)
    case .objects(let objects):
      return try ServedVolume(
        objects, state: state, device: device, fuseInit: fuseInit, options: options.worker,
        backings: try backings(fuse), isFollowed: recordsForNext, log: log)
    }
  }

  private func backings(_ fuse: borrowing FuseMount) throws(Errno) -> OwnBackings? {
    guard fuse.reply.granted.contains(.passthrough) else { return nil }
    return OwnBackings(device: SharedDescriptor(try fuse.device.duplicate()))
  }

  private func serving<R>(_ body: () throws(Errno) -> R) throws(MountProblem) -> R {
    do throws(Errno) { return try body() } catch { throw .cannotServe(error) }
  }
}

/// The volume's state, which a worker of a mounter would get from it.
enum SharedMemoryFile {
  static func make(fuseInit: [UInt8], reply: [UInt8]) throws(Errno) -> Descriptor {
    let nodes = SharedStateLayout.defaultMaxNodes
    guard let header = SharedStateLayout.header(maxNodes: nodes, initRequest: fuseInit, initReply: reply) else {
      throw .protocolError
    }
    let memory = try Memfd.create(name: "alluxio-volume", byteCount: SharedStateLayout.size(maxNodes: nodes))
    try memory.writeAll(header)
    try Memfd.seal(memory, .shrink)
    return memory
  }
}
