internal import Glibc
package import LinuxSystem
package import SystemPackage
internal import VolumeModel

/// The kernel's numbers of files that it reads and writes itself for one volume, by node. A worker that asks for a node again,
/// since its predecessor died in between, gets the same number: another one would be an error for whoever has the file open.
///
/// It is enough that the mounter remembers them: a node that is open has its number in the shared state as well, and what is
/// forgotten with the mounter was registered for an open that was never answered.
struct BackingFiles: Sendable {
  /// Of one volume. They take kernel memory and no descriptors; a worker can ask for anything.
  static let maximum = 1 << 16

  private var ids: [UInt64: Int32] = [:]

  var hasRoom: Bool { ids.count < Self.maximum }

  subscript(node: UInt64) -> Int32? {
    get { ids[node] }
    set { ids[node] = newValue }
  }
}

extension MounterServer {
  /// Registers the file unless the node has one, and answers the worker.
  func openBacking(_ node: UInt64, _ file: SharedDescriptor, call: UInt64, for worker: WorkerProcess, _ key: WorkerKey)
  {
    let (id, error) = register(node, file, key)
    worker.post(CommandMessage(id: 0, command: .backingOpened(call: call, id: id, error: error?.rawValue ?? 0)))
    settle(worker, key)
  }

  private func register(_ node: UInt64, _ file: SharedDescriptor, _ key: WorkerKey) -> (Int32, Errno?) {
    guard let holding = holdings[key], let mount = holding.mount else { return (0, .badFileDescriptor) }
    if let id = holding.backings[node] { return (id, nil) }
    guard holding.backings.hasRoom else { return (0, .noSpace) }
    do throws(Errno) {
      if let pages = mount.pageFolder { try PageCopy.check(file.descriptor, of: pages.descriptor) }
      let id = try withExtendedLifetime((file, mount)) { () throws(Errno) in
        try FuseBackingFile.open(file.rawValue, for: mount.fuseDevice.rawValue)
      }
      holding.backings[node] = id
      return (id, nil)
    } catch {
      return (0, error)
    }
  }

  /// Whoever has the file open goes on. Its last close may free the space of a large file.
  func closeBacking(_ node: UInt64, _ id: Int32, _ key: WorkerKey) {
    guard let holding = holdings[key], let mount = holding.mount else { return }
    // A mounter that came later does not know the number: the worker's is of its own connection in any case.
    guard let known = holding.backings[node] ?? (id > 0 ? id : nil) else { return }
    holding.backings[node] = nil
    let device = mount.fuseDevice
    closer.run { withExtendedLifetime(device) { try? FuseBackingFile.close(known, of: device.rawValue) } }
  }
}

/// A file that a worker for an object store has made of pages.
package enum PageCopy {
  /// The kernel opens the file again with the mounter's rights, for writing where an application asks for that. The worker
  /// has none of them: what it names must be its own, as files in the volume's page folder are, and no other name may lead to
  /// it.
  /// - Parameter folder: the worker's own in the page store.
  /// - Throws: EPERM.
  package static func check(_ file: borrowing Descriptor, of folder: borrowing Descriptor) throws(Errno) {
    let (found, own) = (try file.status(), try folder.status())
    guard found.type == S_IFREG, found.linkCount == 1, found.device == own.device, found.uid == own.uid else {
      throw .notPermitted
    }
  }
}
