#if FAULT_INJECTION
  import Synchronization
  package import SystemPackage
#else
  import SystemPackage
#endif

// The tests let the disk fail and the process die. Release builds have none of this: FAULT_INJECTION is defined for the
// debug configuration alone.

/// Steps of the store at its disk, at each of which it may fail or end.
package enum DiskStep: String, Sendable, CaseIterable {
  case openFile
  case createFile
  /// A new file has its length and no footer.
  case afterLength
  case afterCreate
  case beforeData
  case middleOfData
  case afterData
  case middleOfChecksums
  case afterChecksums
  case afterPresence
  /// Every read of the disk that does not come from memory, or might not.
  case readColdData
  case beforeEviction
  /// The page has no checksums any more and still its bytes.
  case afterErasure
  case afterPunch
  case beforeUnlink
  case afterUnlink
  case middleOfOrder
  case beforeOrderRename
  case wholeCreated
  /// A file without a tail has all of its bytes.
  case wholeWritten
  case beforeWholeName
  case afterWholeName

  /// Those of a fill.
  package static let fill: [DiskStep] = [
    .createFile, .afterLength, .afterCreate, .beforeData, .middleOfData, .afterData, .middleOfChecksums,
    .afterChecksums, .afterPresence,
  ]
  /// Those of an eviction.
  package static let eviction: [DiskStep] = [.beforeEviction, .afterErasure, .afterPunch, .beforeUnlink, .afterUnlink]
  /// Those of a file without a tail.
  package static let whole: [DiskStep] = [.wholeCreated, .wholeWritten, .beforeWholeName, .afterWholeName]
}

#if FAULT_INJECTION
  /// What happens at the steps of one store.
  package final class DiskFaults: Sendable {
    /// Ends the process, waits, or throws what the disk is to answer.
    package typealias Action = @Sendable (DiskStep) throws(Errno) -> Void

    private let action = Mutex<Action?>(nil)

    package init() {}
    package func set(_ new: Action?) { action.withLock { $0 = new } }
    func reach(_ step: DiskStep) throws(Errno) { try action.withLock { $0 }?(step) }
    /// Whether writes are made in two halves and reads go past what is in memory.
    var isSet: Bool { action.withLock { $0 != nil } }
  }
#else
  /// Nothing happens at any step.
  package struct DiskFaults: Sendable {
    package init() {}
    @inline(__always) func reach(_ step: DiskStep) throws(Errno) {}
    @inline(__always) var isSet: Bool { false }
  }
#endif
