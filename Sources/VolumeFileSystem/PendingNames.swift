import LinuxSystem
import Synchronization
import UnderFileSystem
import VolumeModel

/// Objects that have a hidden name and not yet their own, noted in shared state before they are made: when the worker dies in
/// between, its successor removes them. Entry: parent node (8 bytes, 0: free), token (8 bytes).
final class PendingNames: Sendable {
  private static let entrySize = 16
  private static let entryCount = SharedStateLayout.pendingNamesSize / entrySize

  private let memory: SharedMemory
  private let nextToken: Atomic<UInt64>
  private let hint = Atomic(0)

  init(_ state: SharedState) {
    memory = state.memory
    var generator = SystemRandomNumberGenerator()
    nextToken = Atomic(generator.next())
  }

  private static func offset(_ entry: Int) -> Int { SharedStateLayout.pendingNamesOffset + entry * entrySize }

  /// A token that no other worker uses, here or on another machine.
  func makeToken() -> UInt64 { nextToken.add(1, ordering: .relaxed).newValue }

  /// Notes an object. - Returns: the entry, to be given to `end`; nil when all are taken (more creations at once than any
  /// worker has threads): the object is then made without a note.
  func begin(parent: NodeID, token: UInt64) -> Int? {
    let start = hint.add(1, ordering: .relaxed).newValue
    for step in 0..<Self.entryCount {
      let entry = (start &+ step) % Self.entryCount
      let offset = Self.offset(entry)
      guard memory.loadRelaxed64(at: offset) == 0 else { continue }
      if memory.compareExchange64(expected: 0, desired: parent, at: offset).exchanged {
        memory.storeReleasing64(token, at: offset + 8)
        return entry
      }
    }
    return nil
  }

  func end(_ entry: Int) {
    let offset = Self.offset(entry)
    memory.storeRelaxed64(0, at: offset + 8)
    memory.storeReleasing64(0, at: offset)
  }

  /// Hands what the worker before left to `body` and frees the entries.
  func sweep(_ body: (_ parent: NodeID, _ token: UInt64) -> Void) {
    for entry in 0..<Self.entryCount {
      let offset = Self.offset(entry)
      let parent = memory.loadAcquiring64(at: offset)
      guard parent != 0 else { continue }
      let token = memory.load(UInt64.self, at: offset + 8)
      if token != 0 { body(parent, token) }
      end(entry)
    }
  }
}
