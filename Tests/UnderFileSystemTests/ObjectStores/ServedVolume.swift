import Glibc
import LinuxSystem
import ObjectStoreServers
import ServedBuckets
import SystemPackage
import TestSupport
import UnderFileSystem

/// An object store's under file system over a bucket of a real server, for one test.
final class ServedVolume: Sendable {
  let served: ServedBucket
  let ufs: ObjectFileSystem
  let log = CollectedLog()
  private let folder: TemporaryDirectory

  /// - Parameters:
  ///   - faults: of the proxy before the server; nil: there is none.
  ///   - limits: of files that are written.
  init(
    _ service: ServedBucket.Service, behind faults: [Fault]? = nil, limits: SpoolLimits = SpoolLimits(),
    timeout: UInt64 = 0
  ) throws {
    served = try ServedBucket(service, behind: faults)
    folder = try TemporaryDirectory("spools")
    let descriptor = SharedDescriptor(try Descriptor.open(folder.path, O_RDONLY | O_DIRECTORY))
    var options = ObjectFileSystemOptions(directoryTime: ObjectVolume.mountTime)
    (options.entryTimeout, options.attributeTimeout) = (timeout, timeout)
    // Unlike that of any other volume: an answer that was meant for another one is told by it.
    ufs = ObjectFileSystem(
      bucket: served.bucket, prefix: served.name.utf8, options: options,
      spools: SpoolFolder(descriptor, limits: limits), log: log)
  }

  var root: any UnderNode { ufs.root }
}
