import LinuxSystem
import UnderFileSystem
import VolumeModel

/// What a node is known by.
enum NodeKey: Sendable {
  /// The identity that the under file system gave.
  case identity(NodeIdentity)
  /// Its parent and name, where there is none; `inode`, or the stamp of its version, tells a replaced file from the old one.
  case named(parent: NodeID, parentGeneration: UInt32, name: FileName, inode: UInt64)

  /// The same in every process; kept in the slot.
  var hash: UInt64 {
    switch self {
    case .identity(let identity): identity.stableHash
    case .named(let parent, _, let name, _):
      name.bytes.reduce(0xcbf2_9ce4_8422_2325 ^ (parent &* 0x9E37_79B9_7F4A_7C15)) { hash, byte in
        (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3
      }
    }
  }
}

/// One slot of the node table in shared memory. A slot is published by storing `state` last, with release ordering.
struct NodeSlot {
  enum Form: UInt32 {
    case root = 1
    case identity = 2
    case named = 3
    /// Removed or replaced while it was known by name: only an open descriptor still leads to it.
    case detached = 4
    /// Its name leads to another node, of the same file: the kernel reads a copy of this one, which nobody may write to.
    case aside = 5
  }

  // Offsets in the slot; SharedState.md holds the same table.
  static let state = 0
  static let generation = 4
  static let lookups = 8
  static let hash = 16
  static let parent = 24
  static let form = 32
  static let kind = 36
  static let length = 40
  static let parentGeneration = 44
  static let opens = 48
  static let writers = 52
  static let shownModification = 56
  static let shownChange = 64
  static let shownSize = 72
  static let backing = 80
  static let custody = 84
  static let inode = 88
  static let identity = 96
  static let next = 352

  static let free: UInt32 = 0
  static let used: UInt32 = 1
  /// Out of the chain of free slots and not used yet.
  static let taken: UInt32 = 2

  let memory: SharedMemory
  let index: UInt32
  let base: Int

  /// - Parameter index: checked by the caller against `maxNodes`.
  @inline(__always) init(_ memory: SharedMemory, index: UInt32) {
    self.memory = memory
    self.index = index
    base = Self.base(index)
  }

  @inline(__always) static func base(_ index: UInt32) -> Int {
    SharedStateLayout.nodesOffset + Int(index) * SharedStateLayout.slotSize
  }

  @inline(__always) func load32(_ field: Int) -> UInt32 { memory.loadRelaxed32(at: base + field) }
  @inline(__always) func load64(_ field: Int) -> UInt64 { memory.loadRelaxed64(at: base + field) }
  @inline(__always) func store32(_ value: UInt32, _ field: Int) { memory.putUnordered(value, at: base + field) }
  @inline(__always) func store64(_ value: UInt64, _ field: Int) { memory.putUnordered(value, at: base + field) }

  var node: NodeID { NodeID(index) + 1 }
  var isUsed: Bool { memory.loadAcquiring32(at: base + Self.state) == Self.used }
  var isFree: Bool { memory.loadAcquiring32(at: base + Self.state) == Self.free && lookups == 0 }
  func publish(_ state: UInt32) { memory.put(state, at: base + Self.state) }

  /// What the kernel has not forgotten. 0: the slot belongs to the free ones, once its user has let go of it.
  var lookups: UInt64 {
    get { load64(Self.lookups) }
    nonmutating set { memory.put(newValue, at: base + Self.lookups) }
  }

  /// Ordered behind all stores before it.
  func publish(_ form: Form) { memory.put(form.rawValue, at: base + Self.form) }

  /// Writes everything but the state.
  func fill(_ key: NodeKey, hash: UInt64) {
    store64(0, Self.lookups)
    store32(0, Self.opens)
    store32(0, Self.writers)
    store64(0, Self.shownModification)
    store64(0, Self.shownChange)
    store64(.max, Self.shownSize)
    store32(0, Self.backing)
    store32(0, Self.custody)
    store(key, hash: hash)
  }

  /// Writes what the node is known by, its form last.
  func store(_ key: NodeKey, hash: UInt64) {
    store64(hash, Self.hash)
    switch key {
    case .identity(let identity):
      store32(UInt32(bitPattern: identity.kind), Self.kind)
      store32(UInt32(identity.length), Self.length)
      for index in 0..<identity.wordCount { store64(identity.words[index], Self.identity + 8 * index) }
      publish(Form.identity)
    case .named(let parent, let parentGeneration, let name, let inode):
      store64(parent, Self.parent)
      store32(parentGeneration, Self.parentGeneration)
      store64(inode, Self.inode)
      store32(UInt32(name.bytes.count), Self.length)
      memory.write(name.nulTerminated, at: base + Self.identity)
      publish(Form.named)
    }
  }

  /// What the node is found by; nil for the root, for those that are not found any more, and for a damaged slot.
  var key: NodeKey? { load32(Self.form) == Form.aside.rawValue ? nil : fileKey }

  /// What leads to the node's file.
  var fileKey: NodeKey? {
    let length = Int(load32(Self.length))
    switch Form(rawValue: load32(Self.form)) {
    case .identity:
      guard length <= NodeIdentity.maximumLength else { return nil }
      var words = InlineArray<16, UInt64>(repeating: 0)
      for index in 0..<(length + 7) / 8 { words[index] = load64(Self.identity + 8 * index) }
      return .identity(NodeIdentity(kind: Int32(bitPattern: load32(Self.kind)), length: length, words: words))
    case .named, .aside:
      guard length <= 255 else { return nil }
      return .named(
        parent: load64(Self.parent), parentGeneration: load32(Self.parentGeneration),
        name: FileName(bytes: memory.bytes(at: base + Self.identity, count: length)), inode: load64(Self.inode))
    case .root, .detached, nil: return nil
    }
  }

  /// Compares in place, so that a lookup of a known node allocates nothing. The inode number is no part of it.
  func matches(_ key: NodeKey) -> Bool {
    switch key {
    case .identity(let identity):
      guard load32(Self.form) == Form.identity.rawValue, load32(Self.length) == UInt32(identity.length),
        load32(Self.kind) == UInt32(bitPattern: identity.kind)
      else { return false }
      for index in 0..<identity.wordCount where load64(Self.identity + 8 * index) != identity.words[index] {
        return false
      }
      return true
    case .named(let parent, let parentGeneration, let name, _):
      guard load32(Self.form) == Form.named.rawValue, load64(Self.parent) == parent,
        load32(Self.parentGeneration) == parentGeneration, load32(Self.length) == UInt32(name.bytes.count)
      else { return false }
      return memory.bytes(at: base + Self.identity, count: name.bytes.count) == Array(name.bytes)
    }
  }
}
