import LinuxSystem
import Logging
import Mounter
import Synchronization
import SystemPackage
import VolumeFileSystem

/// The mounter as the one who keeps this worker's descriptors. Without one the worker goes on, and the next worker, should
/// there be one, does not find files without a name.
final class MounterCustody: NodeCustody {
  private let channel: WorkerChannel
  private let log: Logger
  private let hasWarned = Atomic(false)

  init(_ channel: WorkerChannel, _ log: Logger) {
    self.channel = channel
    self.log = log
  }

  func hold(_ node: NodeID, descriptor: CInt) {
    attempt { () throws(Errno) in try channel.hold(node, descriptor: descriptor) }
  }

  func release(_ node: NodeID) {
    attempt { () throws(Errno) in try channel.release(node) }
  }

  private func attempt(_ body: () throws(Errno) -> Void) {
    do throws(Errno) { try body() } catch {
      guard !hasWarned.exchange(true, ordering: .relaxed) else { return }
      log.warning(
        "the mounter keeps no descriptors: files that are unlinked while open end with this worker",
        metadata: ["error": "\(error)"])
    }
  }
}
