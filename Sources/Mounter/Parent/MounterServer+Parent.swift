internal import LinuxSystem
internal import Logging
internal import SystemPackage

/// What the serving mounter takes over from its parent.
extension MounterServer {
  /// Goes on with what an earlier mounter of this parent was doing when it died.
  func adoptHoldings() throws(Errno) {
    guard let parent else { return }
    for kept in try parent.receiveKept() { try adopt(kept, isFromParent: true) }
    _ = try loop.watch(parent.rawValue) { [unowned self] _ in
      // A parent that is PID 1 cannot be gone while this process lives; elsewhere its end is this mounter's.
      if !parent.read() { loop.stop() }
    }
  }
}
