import LinuxSystem
import SystemPackage
import UnderFileSystem
import VolumeModel

/// Operations that must not be applied twice, as entries name them.
enum JournalOperation: UInt32, Sendable {
  case make = 1
  case link = 2
  case remove = 3
  case removeDirectory = 4
  case rename = 5
  case setExtendedAttribute = 6
  case removeExtendedAttribute = 7
  case release = 8
}

/// What an operation is about to do, by which its successor sees whether it was done.
struct Intent: Sendable {
  /// Fingerprint of what is made, linked, removed or renamed.
  var first: NodeIdentity?
  /// Rename: of what has the new name before.
  var second: NodeIdentity?
  /// removexattr: of the value that goes. release: opens before.
  var digest: UInt64 = 0
}

/// One entry of the intent journal in shared memory; SharedState.md holds the same table. Its words `intent` and `done` hold
/// the number of the request that they are true for, and are stored last, with release ordering: what was written for
/// another request, or in part, is never taken for this one's.
struct JournalEntry {
  private enum Field {
    static let intent = 0
    static let done = 8
    static let operation = 16
    static let error = 20
    static let parent = 24
    static let node = 32
    static let generation = 40
    static let digest = 48
    static let attributes = 64
    static let first = 160
    static let second = 296
  }

  let memory: SharedMemory
  private let base: Int
  let number: UInt64

  /// - Parameter index: less than `journalEntryCount`.
  init(_ memory: SharedMemory, index: Int, number: UInt64) {
    self.memory = memory
    self.number = number
    base = SharedStateLayout.journalEntriesOffset + index * SharedStateLayout.journalEntrySize
  }

  // MARK: Writing

  /// Writes the intent and publishes it; an earlier one of the same request, which came to nothing, is no more.
  func publish(_ operation: JournalOperation, at parent: NodeID, _ intent: Intent) {
    memory.storeReleasing64(0, at: base + Field.intent)
    memory.storeReleasing64(0, at: base + Field.done)
    memory.storeRelaxed32(operation.rawValue, at: base + Field.operation)
    memory.storeRelaxed64(parent, at: base + Field.parent)
    memory.storeRelaxed64(intent.digest, at: base + Field.digest)
    store(intent.first, at: Field.first)
    store(intent.second, at: Field.second)
    memory.storeReleasing64(number, at: base + Field.intent)
  }

  private func store(_ identity: NodeIdentity?, at field: Int) {
    memory.storeRelaxed32(UInt32(identity?.length ?? 0), at: base + field + 4)
    guard let identity else { return }
    memory.storeRelaxed32(UInt32(bitPattern: identity.kind), at: base + field)
    for index in 0..<identity.wordCount {
      memory.storeRelaxed64(identity.words[index], at: base + field + 8 + 8 * index)
    }
  }

  /// Records the answer: success or an error.
  func finish(_ error: Errno?) {
    memory.storeRelaxed32(UInt32(bitPattern: error?.rawValue ?? 0), at: base + Field.error)
    memory.storeReleasing64(number, at: base + Field.done)
  }

  /// Records the node of the answer, one of whose lookups is counted for it, and its attributes before they are presented.
  func finish(node: NodeID, generation: UInt64, _ attributes: Attributes) {
    memory.storeRelaxed64(node, at: base + Field.node)
    memory.storeRelaxed64(generation, at: base + Field.generation)
    let words = attributes.words
    for index in 0..<12 { memory.storeRelaxed64(words[index], at: base + Field.attributes + 8 * index) }
    finish(nil)
  }

  // MARK: Reading what a worker left, which may be anything

  /// Whether the intent was written to its end.
  var isPublished: Bool { memory.loadAcquiring64(at: base + Field.intent) == number }

  func isFor(_ operation: JournalOperation, at parent: NodeID) -> Bool {
    memory.loadRelaxed32(at: base + Field.operation) == operation.rawValue
      && memory.loadRelaxed64(at: base + Field.parent) == parent
  }

  /// The node of a release; nil: it is of another operation.
  var releasedNode: NodeID? {
    guard memory.loadRelaxed32(at: base + Field.operation) == JournalOperation.release.rawValue else { return nil }
    return memory.loadRelaxed64(at: base + Field.parent)
  }

  /// The recorded answer, if there is one.
  var outcome: Result<Void, Errno>? {
    guard memory.loadAcquiring64(at: base + Field.done) == number else { return nil }
    let error = Int32(bitPattern: memory.loadRelaxed32(at: base + Field.error))
    return error == 0 ? .success(()) : .failure(Errno(rawValue: error))
  }

  /// The node of the recorded answer: its number means nothing before the node table has been asked.
  var made: (node: NodeID, generation: UInt64, attributes: Attributes) {
    var words = InlineArray<12, UInt64>(repeating: 0)
    for index in 0..<12 { words[index] = memory.loadRelaxed64(at: base + Field.attributes + 8 * index) }
    return (
      memory.loadRelaxed64(at: base + Field.node), memory.loadRelaxed64(at: base + Field.generation),
      Attributes(words: words)
    )
  }

  var intent: Intent {
    Intent(
      first: identity(at: Field.first), second: identity(at: Field.second),
      digest: memory.loadRelaxed64(at: base + Field.digest))
  }

  private func identity(at field: Int) -> NodeIdentity? {
    let length = Int(memory.loadRelaxed32(at: base + field + 4))
    guard length > 0, length <= NodeIdentity.maximumLength else { return nil }
    var words = InlineArray<16, UInt64>(repeating: 0)
    for index in 0..<(length + 7) / 8 { words[index] = memory.loadRelaxed64(at: base + field + 8 + 8 * index) }
    return NodeIdentity(
      kind: Int32(bitPattern: memory.loadRelaxed32(at: base + field)), length: length, words: words)
  }
}

extension Attributes {
  /// All fields, as an entry keeps them.
  fileprivate var words: InlineArray<12, UInt64> {
    [
      inode, UInt64(mode), UInt64(linkCount), UInt64(uid), UInt64(gid), device, UInt64(bitPattern: size),
      UInt64(bitPattern: Int64(blockSize)), UInt64(bitPattern: blocks), UInt64(bitPattern: accessTime),
      UInt64(bitPattern: modificationTime), UInt64(bitPattern: changeTime),
    ]
  }

  fileprivate init(words: InlineArray<12, UInt64>) {
    self.init(
      inode: words[0], mode: UInt32(truncatingIfNeeded: words[1]), linkCount: UInt32(truncatingIfNeeded: words[2]),
      uid: UInt32(truncatingIfNeeded: words[3]), gid: UInt32(truncatingIfNeeded: words[4]), device: words[5],
      size: Int64(bitPattern: words[6]), blockSize: Int32(truncatingIfNeeded: words[7]),
      blocks: Int64(bitPattern: words[8]), accessTime: Int64(bitPattern: words[9]),
      modificationTime: Int64(bitPattern: words[10]), changeTime: Int64(bitPattern: words[11]))
  }
}
