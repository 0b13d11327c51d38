internal import Glibc
internal import LinuxSystem
internal import SystemPackage
internal import VolumeModel

/// Whether copies are those of a mount that a worker can be started on. Who offers them is trusted to mount; that they are
/// still what they were is not: a volume may have been unmounted since, or the descriptors be another's.
enum CustodyCheck {
  /// Asks neither the mount nor its worker anything, and so does not block.
  /// - Returns: nil where all is well, else what is wrong, for people.
  static func refusal(_ copy: CustodyCopy, stateDirectory: String) -> String? {
    let status = copy.volume.status
    let mountPoint = MountPoint(of: copy.key, in: stateDirectory).path
    guard status.request.mountPoint == mountPoint else {
      return "its mount point is \(status.request.mountPoint) and not \(mountPoint)"
    }
    guard let device = copy.descriptors[.fuseDevice], FuseDevice.isDevice(device.descriptor) else {
      return "no descriptor of /dev/fuse is among the copies"
    }
    if (try? device.descriptor.hasError()) != false { return "its FUSE connection is gone" }
    if let connection = FuseDevice.connection(of: device.descriptor), connection.number != status.connection {
      return "the descriptor belongs to FUSE connection \(connection.number) and not \(status.connection)"
    }
    guard let state = copy.descriptors[.sharedState], isSharedState(state.descriptor) else {
      return "the shared state is not a memfd of a volume, sealed against shrinking"
    }
    if let secrets = copy.descriptors[.secrets], !isSealed(secrets) { return "the secrets are not sealed" }
    if status.request.underFileSystem.scheme == .file, !isDirectory(copy.descriptors[.underFileSystemRoot]) {
      return "the directory of the under file system is not among the copies"
    }
    if status.request.underFileSystem.scheme != .file {
      guard status.request.objectStore != nil, isDirectory(copy.descriptors[.pageFolder]) else {
        return "the volume's page folder is not among the copies"
      }
    }
    return mountRefusal(mountPoint, status.connection)
  }

  private static func mountRefusal(_ path: String, _ connection: UInt32) -> String? {
    do throws(Errno) {
      guard let entry = try MountTable.read(along: path).visible(at: path), entry.type == FuseMount.type else {
        return "nothing of this driver's is mounted at \(path) as this mounter sees it"
      }
      return entry.minor == connection
        ? nil : "FUSE connection \(entry.minor) is mounted at \(path) and not \(connection)"
    } catch {
      return "the mount table cannot be read (\(error))"
    }
  }

  private static func isSharedState(_ memory: borrowing Descriptor) -> Bool {
    guard let seals = try? Memfd.seals(of: memory), seals.contains(.shrink),
      let size = try? Memfd.byteCount(of: memory), size >= SharedStateLayout.nodesOffset,
      let versions = try? SharedStateHeader.versions(of: memory)
    else { return false }
    return versions.version > 0
  }

  private static func isDirectory(_ root: SharedDescriptor?) -> Bool {
    guard let status = try? root?.descriptor.status() else { return false }
    return status.type == S_IFDIR
  }

  /// Nobody can change what the worker will read, and it is no more than a worker reads.
  static func isSealed(_ secrets: SharedDescriptor) -> Bool {
    guard let seals = try? Memfd.seals(of: secrets.descriptor), seals.isSuperset(of: .everything),
      let size = try? Memfd.byteCount(of: secrets.descriptor)
    else { return false }
    return size <= Packet.maximumSecretBytes
  }
}
