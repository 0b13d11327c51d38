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

  /// What truncate(2) without a handle has done is in a spool, and not in the store.
  case afterSpool
  /// The store has what was written; which file it continues is not noted.
  case afterUpload
  /// The store has the copy of a file that is being renamed; nothing is noted of it.
  case afterCopy
  /// All of a rename is noted, and its source is still there.
  case beforeSourceRemoval

  /// Those that are on the way of every volume's operations.
  package static let allCases: [CrashPoint] = [
    .beforeIntent, .afterIntent, .afterCustody, .afterApply, .afterCount, .afterDone, .afterReply, .afterFree,
  ]
  /// Those that only volumes on object stores come to.
  package static let ofObjectStores: [CrashPoint] = [.afterSpool, .afterUpload, .afterCopy, .beforeSourceRemoval]
}

#if FAULT_INJECTION
  /// What happens at the crash points of one volume.
  package final class CrashInjection: Sendable {
    /// Ends the process, or throws to let the operation end where it is.
    package typealias Action = @Sendable (CrashPoint) throws(Errno) -> Void

    private let action = Mutex<Action?>(nil)
    private let died = Atomic(false)

    package init() {}

    package func set(_ new: Action?) { action.withLock { $0 = new } }

    package func reach(_ point: CrashPoint) throws(Errno) {
      do throws(Errno) { try action.withLock { $0 }?(point) } catch {
        died.store(true, ordering: .relaxed)
        throw error
      }
    }

    /// Whether a thrown death unwinds: what a live worker would do when its operation ends is left undone.
    var isDead: Bool { died.load(ordering: .relaxed) }
  }

  extension ObjectFileSystem {
    func reach(_ point: CrashPoint) throws(Errno) { try crashes.reach(point) }
    var isDead: Bool { crashes.isDead }
  }
#else
  extension ObjectFileSystem {
    @inline(__always) func reach(_ point: CrashPoint) throws(Errno) {}
    @inline(__always) var isDead: Bool { false }
  }
#endif
