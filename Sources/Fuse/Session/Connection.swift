import CFuse
import LinuxSystem

/// What libfuse may assume of a connection whose FUSE_INIT somebody else has answered.
enum Connection {
  /// The `init` operation. libfuse wants some capabilities by itself; all that was not granted is taken back here, since
  /// its own answer never reaches the kernel.
  static func agree(_ connection: UnsafeMutablePointer<fuse_conn_info>?) {
    guard let connection else { return }
    // Whatever the kernel granted works without libfuse's knowledge but for these two, which change how it acts.
    let known = CUnsignedInt(FUSE_CAP_ASYNC_READ | FUSE_CAP_PARALLEL_DIROPS)
    connection.pointee.want = connection.pointee.capable & known
    connection.pointee.max_write = FuseInitReply.maxWrite
    // max_read stays 0: it is a mount option, and libfuse answers EPROTO to another value here.
    connection.pointee.max_background = CUnsignedInt(FuseInitReply.maxBackground)
    connection.pointee.congestion_threshold = CUnsignedInt(FuseInitReply.congestionThreshold)
  }
}
