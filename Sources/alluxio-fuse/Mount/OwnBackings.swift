import LinuxSystem
import Synchronization
import SystemPackage
import VolumeFileSystem

/// Registers files with the kernel by itself: the process that mounts has the capability for it.
final class OwnBackings: BackingFileRegistry {
  private let device: SharedDescriptor
  /// Off for good once the kernel has refused what it would refuse again.
  private let isRefused = Atomic(false)

  init(device: SharedDescriptor) { self.device = device }

  func open(_ node: NodeID, descriptor: CInt) -> Int32? {
    guard !isRefused.load(ordering: .relaxed) else { return nil }
    do throws(Errno) { return try FuseBackingFile.open(descriptor, for: device.rawValue) } catch {
      let lasts: [Errno] = [.notPermitted, .tooManySymbolicLinkLevels, .notSupported, .inappropriateIOCTLForDevice]
      if lasts.contains(error) { isRefused.store(true, ordering: .relaxed) }
      return nil
    }
  }

  var isOff: Bool { isRefused.load(ordering: .relaxed) }

  func close(_ node: NodeID, _ id: Int32) {
    if id > 0 { try? FuseBackingFile.close(id, of: device.rawValue) }
  }
}
