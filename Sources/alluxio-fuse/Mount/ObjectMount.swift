import Glibc
import LinuxSystem
import Logging
import ObjectStore
import SystemPackage
import VolumeModel

/// The object store of a person's mount, which has answered, and its folder on local disk.
struct ObjectMount {
  let volume: ObjectVolume
  private let folder: MountFolder

  /// Asks the store for what every use of it needs.
  init(_ own: ObjectMountOptions, _ options: MountOptions, _ log: Logger) throws(MountProblem) {
    let folder = try MountFolder(own, options.source)
    var request = ObjectStoreRequest(own.store, usesNodeCredentials: true, pageStore: folder.path)
    if own.cache == nil { request.pageStoreBytes = 0 }
    do throws(ObjectVolume.Problem) {
      volume = try ObjectVolume(
        request, path: options.source, folder: try? folder.descriptor.descriptor.duplicate(), secrets: [:],
        environment: ProcessEnvironment.all, isSameMount: false, options: options.worker, log: log)
    } catch {
      folder.remove()
      throw .objects(error)
    }
    self.folder = folder
    if let problem = volume.check(by: .after(.seconds(30))) {
      folder.remove()
      throw .store(problem.sentence)
    }
  }

  /// Leaves pages behind for the next mount where there is a cache, and nothing else.
  func close() {
    volume.close(by: .after(.seconds(5)))
    folder.remove()
  }
}

/// Where a mount keeps pages, and files that are being written: a folder for its bucket and prefix in the cache, or one that
/// ends with the mount.
private struct MountFolder {
  let path: String
  let descriptor: SharedDescriptor
  private let isKept: Bool
  /// One mount at a time has the folder.
  private let lock: SharedDescriptor

  init(_ own: ObjectMountOptions, _ source: UnderFileSystemURI) throws(MountProblem) {
    isKept = own.cache != nil
    if let cache = own.cache {
      let place = own.store.properties.address.map { "\($0)" } ?? ""
      path = "\(cache)/\(Digest.sha256Hex("\(place) \(source)").prefix(32))"
    } else {
      let parent = ProcessEnvironment.value(of: "TMPDIR").flatMap { $0.hasPrefix("/") ? $0 : nil } ?? "/var/tmp"
      path = "\(parent)/alluxio-fuse-\(String(UInt64.random(in: .min ... .max), radix: 16))"
    }
    do throws(Errno) {
      if isKept { try Folder.makeAll(path) } else { try Folder.make(path) }
      descriptor = SharedDescriptor(try Descriptor.open(path, O_RDONLY | O_DIRECTORY))
      lock = SharedDescriptor(try descriptor.descriptor.open(at: "lock", O_RDWR | O_CREAT | O_NOFOLLOW, mode: 0o600))
      try ProcessLock.take(lock.descriptor)
    } catch .resourceTemporarilyUnavailable {
      throw .cacheInUse(own.cache ?? path)
    } catch {
      throw .cacheUnusable(own.cache ?? path, error)
    }
  }

  /// What nobody will use again; files whose bytes never came to the store are given up with it.
  func remove() {
    guard !isKept else { return }
    for inner in ["spools", "pages"] {
      for name in (try? DirectoryNames.list("\(path)/\(inner)")) ?? [] {
        try? descriptor.descriptor.remove(name: Array("\(inner)/\(name)".utf8) + [0], directory: false)
      }
      try? Folder.removeEmpty("\(path)/\(inner)")
    }
    for name in ["lock", "mounted"] {
      try? descriptor.descriptor.remove(name: Array(name.utf8) + [0], directory: false)
    }
    try? Folder.removeEmpty(path)
  }
}
