internal import LinuxSystem

/// Closes descriptors on a thread of its own, which is there while there is something to close.
final class DescriptorCloser: @unchecked Sendable {
  // SAFETY (Sendable): both are read and written with the monitor's lock held.
  private var waiting: [SharedDescriptor] = []
  private var isRunning = false
  private let monitor = Monitor()

  /// Lets go of it. Callable from any thread; returns at once.
  func close(_ descriptor: SharedDescriptor) {
    let mustStart = monitor.locked {
      waiting.append(descriptor)
      defer { isRunning = true }
      return !isRunning
    }
    guard mustStart else { return }
    do {
      try DetachedThread.start(name: "closer", stackSize: 64 << 10) { [self] in run() }
    } catch {
      // No thread to be had: this one waits.
      run()
    }
  }

  private func run() {
    while true {
      let batch = monitor.locked {
        defer { waiting = [] }
        isRunning = !waiting.isEmpty
        return waiting
      }
      if batch.isEmpty { return }
      // Closed here, outside the lock, with the last reference.
      withExtendedLifetime(batch) {}
    }
  }
}
