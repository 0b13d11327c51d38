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
  /// From `Session.stop(abandoning:)` on: requests that nobody answers are left for the next worker.
  let leavesUnanswered = Atomic(false)
  let progress = SessionProgress()
  /// The session's `/dev/fuse`, which it closes; -1 before FUSE_INIT is replayed.
  let device = Atomic<CInt>(-1)

  init(fileSystem: VolumeFileSystem, log: Logger) {
    self.fileSystem = fileSystem
    self.log = log
  }

  /// The pointer that the session passes to libfuse; valid as long as the session, which owns the context.
  var userData: UnsafeMutableRawPointer { Unmanaged.passUnretained(self).toOpaque() }

  /// Has the kernel ask again for what stat(2) shows of a node; pages stay. Never waits for another request.
  func forgetAttributes(of node: NodeID) {
    var notice = cfuse_attributes_notice(node)
    let device = device.load(ordering: .relaxed)
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
