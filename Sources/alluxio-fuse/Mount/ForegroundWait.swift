import Fuse
import Glibc
import Glibc
import LinuxSystem
import Logging
import SystemPackage

/// Waits while a mount is served: for its end, or for a signal that ends it.
struct ForegroundWait: Sendable {
  let volume: ServedVolume
  let target: String
  let connection: FuseConnection
  let log: Logger

  /// Returns why serving ended.
  func run(_ signals: SignalFD) -> SessionEnd {
    SessionThread.start { self.obey(signals) }
    return volume.session.wait() ?? .unmounted
  }

  /// Until the process ends.
  private func obey(_ signals: SignalFD) {
    var unmounting = false
    do throws(Errno) {
      while try signals.descriptor.isReadable(within: -1) {
        while let signal = try signals.next() {
          if signal.number == SIGUSR1 {
            if let counters = volume.counters { print(counters.line) }
            fflush(nil)
            continue
          }
          try end(again: unmounting)
          unmounting = true
        }
      }
    } catch {
      log.error("\(target) cannot be unmounted: \(error)")
      volume.session.stop()
    }
  }

  /// The first signal unmounts; where somebody uses the mount, it goes with its last user, or at the second signal.
  private func end(again: Bool) throws(Errno) {
    if again {
      log.warning("ending the mount under its users")
      try? connection.abort()
      return
    }
    do throws(Errno) {
      try Mount.unmount(target)
    } catch .resourceBusy {
      log.warning("\(target) is in use: it ends with its last user; Ctrl-C again ends it now")
      try Mount.unmount(target, flags: [.detach, .noFollow])
    } catch .invalidArgument {
      log.info("\(target) was unmounted already")
    }
  }
}
