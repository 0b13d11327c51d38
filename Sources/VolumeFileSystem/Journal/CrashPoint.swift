#if FAULT_INJECTION
  import Synchronization
  package import SystemPackage
#else
  import SystemPackage
#endif

// The tests' workers die on purpose. Release builds have none of this: FAULT_INJECTION is defined for the debug
// configuration alone.

/// Places where a worker of the tests dies: before and after each step of an operation that must not be applied twice.
package enum CrashPoint: String, Sendable, CaseIterable {
  case beforeIntent
  case afterIntent
  /// What is about to lose its name is in custody, where it needs to be.
  case afterCustody
  case afterApply
  /// The lookup and open of the answer are counted.
  case afterCount
  case afterDone
  case afterReply
  case afterFree
}

#if FAULT_INJECTION
  /// What happens at the crash points of one volume.
  package final class CrashInjection: Sendable {
    /// Ends the process, or throws to let the operation end where it is.
    package typealias Action = @Sendable (CrashPoint) throws(Errno) -> Void

    private let action = Mutex<Action?>(nil)

    package func set(_ new: Action?) { action.withLock { $0 = new } }

    func reach(_ point: CrashPoint) throws(Errno) { try action.withLock { $0 }?(point) }
  }

  extension VolumeFileSystem {
    func reach(_ point: CrashPoint) throws(Errno) { try crashes.reach(point) }
  }
#else
  extension VolumeFileSystem {
    @inline(__always) func reach(_ point: CrashPoint) throws(Errno) {}
  }
#endif
