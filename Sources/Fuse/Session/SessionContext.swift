import CFuse
import Glibc
import LinuxSystem
import Logging
import Synchronization
import VolumeFileSystem

/// What libfuse hands back to every callback as user data.
final class SessionContext: Sendable {
  let fileSystem: VolumeFileSystem
  let log: Logger
  /// True while FUSE_INIT is replayed: the kernel has had its answer, so libfuse's is swallowed.
  let isReplaying = Atomic(false)
  /// From `Session.stop` on: a request that nobody answers is left for the next worker, to which the kernel resends it.
  let leavesUnanswered = Atomic(false)
  let progress = SessionProgress()
  /// The session's `/dev/fuse`, which it closes.
  private let device: CInt

  init(fileSystem: VolumeFileSystem, log: Logger, device: CInt) {
    self.fileSystem = fileSystem
    self.log = log
    self.device = device
  }

  /// The pointer that the session passes to libfuse; valid as long as the session, which owns the context.
  var userData: UnsafeMutableRawPointer { Unmanaged.passUnretained(self).toOpaque() }

  /// Has the kernel ask again for what stat(2) shows of a node; pages stay. Never waits for another request.
  func forgetAttributes(of node: NodeID) {
    var notice = cfuse_attributes_notice(node)
    let device = device
    // ENOENT: the kernel has forgotten the node meanwhile. ENOTCONN: it is unmounted.
    _ = try? Syscall.retrying { write(device, &notice, MemoryLayout.size(ofValue: notice)) }
  }

  /// The object behind user data.
  static func from(_ userData: UnsafeMutableRawPointer?) -> SessionContext {
    guard let userData else { preconditionFailure("libfuse lost its user data") }
    // SAFETY: every session passes `userData` of a context that it keeps alive.
    return Unmanaged<SessionContext>.fromOpaque(userData).takeUnretainedValue()
  }
}
