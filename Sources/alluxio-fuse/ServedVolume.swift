import Fuse
import LinuxSystem
import Logging
import SystemPackage
import UnderFileSystem
import VolumeFileSystem
import VolumeModel

/// One volume, put together from descriptors that somebody else has opened.
struct ServedVolume {
  let fileSystem: VolumeFileSystem
  let session: Session

  /// - Parameters:
  ///   - root: the open root directory of a `file://` UFS.
  ///   - state: the memfd of the shared state; only read from here on, its mapping stays.
  ///   - fuseInit: reduced to what was granted.
  init(
    root: consuming Descriptor, state: borrowing Descriptor, device: consuming Descriptor, fuseInit: [UInt8],
    options: WorkerOptions, custody: (any NodeCustody)? = nil,
    backings: (any BackingFileRegistry)? = nil, isFollowed: Bool = true, log: Logger
  ) throws(Errno) {
    let local = try LocalFileSystem(root: root)
    fileSystem = try VolumeFileSystem(
      underFileSystem: local, state: try SharedState(descriptor: state), options: options, custody: custody,
      passthrough: PassthroughPolicy(registry: backings, smallest: Self.smallestFile), isFollowed: isFollowed)
    session = try Session(device: device, fuseInit: fuseInit, fileSystem: fileSystem, log: log)
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
