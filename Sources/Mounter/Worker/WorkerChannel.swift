package import LinuxSystem
package import SystemPackage

/// The worker's end of the socket to its mounter: descriptor 3 of the process. Calls may come from any thread; one thread at
/// a time receives.
///
/// The end of the mounter is not the end of the worker: ``receive()`` then returns nil, and the worker goes on serving
/// until the device says that the mount is gone (ENODEV).
package final class WorkerChannel: Sendable {
  /// Where a worker finds its socket.
  package static let descriptorNumber: CInt = 3

  private let socket: Descriptor

  package init(adopting socket: consuming Descriptor) { self.socket = socket }

  /// The first packet. Blocks until it is there.
  package func receiveConfiguration() throws(WorkerChannelError) -> WorkerConfiguration {
    throw .mounterGone
  }

  /// The next command that this version knows, blocking until there is one; nil when the mounter is gone.
  package func receive() throws(WorkerChannelError) -> NumberedCommand? {
    throw .mounterGone
  }

  /// Tells the mounter that the session serves. Once.
  package func ready() throws(Errno) {}

  /// Tells the mounter why this worker cannot serve; it exits afterwards.
  package func failed(_ reason: String) throws(Errno) {}

  /// Tells the mounter that a long start goes on.
  package func progress(_ what: String) throws(Errno) {}

  /// Answers a command whose id is not 0.
  package func complete(_ id: UInt64) throws(Errno) {}
}

/// Why a worker could not read what its mounter sent.
package enum WorkerChannelError: Error, Sendable, Hashable {
  /// The mounter closed the socket before it sent a configuration.
  case mounterGone
  /// The packet is no message of this protocol, or lacks what it must have.
  case malformed(String)
  case system(Errno)
}
