package import SystemPackage

/// Why a session serves no more.
package enum SessionEnd: Sendable, Hashable {
  /// The file system was unmounted or its connection aborted: the device says ENODEV.
  case unmounted
  /// `stop()` was called, everything begun is answered, and the rest is left to another worker.
  case stopped
  /// The device cannot be read.
  case failed(Errno)
}
