package import LinuxSystem
package import SystemPackage


/// The volume's state that outlives this process, mapped from the memfd that the mounter holds. See SharedState.md.
package final class SharedState: Sendable {
  /// Maps the state.
  /// - Throws: EINVAL when its header is not one that this build can read; the worker before should then go on serving.
  package init(descriptor: borrowing Descriptor) throws(Errno) { throw .noFunction }

  /// The FUSE_INIT request that the mounter answered, to be replayed into libfuse.
  package var initRequest: [UInt8] { [] }
}
