import LinuxSystem
import SystemPackage
import UnderFileSystem
import VolumeModel

/// Has the kernel read and write files itself. May block for as long as it takes, since the application that opens waits.
package protocol BackingFileRegistry: Sendable {
  /// The kernel's number of the file for that node; of a node that has one, that one.
  /// - Parameter descriptor: open, stays the caller's.
  /// - Returns: nil where the kernel does not do it: the file is served as all others.
  func open(_ node: NodeID, descriptor: CInt) -> Int32?
  /// No open file of the node is left. - Parameter id: 0: not known, as the worker that asked has died.
  func close(_ node: NodeID, _ id: Int32)
  /// The kernel has refused what it would refuse again: nothing is opened any more.
  var isOff: Bool { get }
}

extension BackingFileRegistry {
  package var isOff: Bool { false }
}

/// Which files the kernel reads and writes itself, and who registers them.
package struct PassthroughPolicy: Sendable {
  /// Bytes from which on a file is worth the way to the mounter (some 50 µs; plain reads of so much take as long).
  package static let smallestFile: Int64 = 128 << 10

  /// Nil: the kernel was not granted it for this mount.
  var registry: (any BackingFileRegistry)?
  var smallest: Int64

  package init(registry: (any BackingFileRegistry)?, smallest: Int64 = Self.smallestFile) {
    self.registry = registry
    self.smallest = smallest
  }
}

/// Nodes that the kernel reads and writes itself (FUSE passthrough, Linux 6.9): files of a local file system, and copies of
/// objects that the page store has, which it only reads.
///
/// It is decided when a node is opened that nobody has open, and holds until its last release, whichever workers live
/// meanwhile: the kernel refuses to mix. So the count of opens and the number are in the node's slot, and opens and releases
/// of one node take turns.
final class PassthroughNodes: Sendable {
  private let policy: PassthroughPolicy
  private let memory: SharedMemory
  private let lends: Bool
  private let turns = (0..<64).map { _ in Monitor() }

  init(_ policy: PassthroughPolicy, _ underFileSystem: any UnderFileSystem, _ state: SharedState) {
    self.policy = policy
    memory = state.memory
    lends = underFileSystem.lendsFiles
  }

  func inTurn<R>(_ node: NodeID, _ body: () throws(Errno) -> R) throws(Errno) -> R {
    guard policy.registry != nil else { return try body() }
    return try turns[Int(truncatingIfNeeded: node & 63)].locked {
      Result { () throws(Errno) in try body() }
    }.get()
  }

  /// What the kernel is to do with an open file.
  struct Backing {
    /// The number of the file; 0: the worker serves the node.
    var id: Int32
    /// The worker serves this open of it.
    var isDirect = false
  }

  /// For an open that has been counted.
  /// - Parameter isFirst: nobody else has the node open.
  func backing(
    _ node: NodeID, _ slot: NodeSlot, _ file: any OpenFile, _ attributes: Attributes, _ handle: HandleID, isFirst: Bool
  ) -> Backing {
    guard let registry = policy.registry else { return Backing(id: 0) }
    guard isFirst else {
      guard slot.backing > 0 else { return Backing(id: 0) }
      return Backing(id: slot.backing, isDirect: !lends && handle.isDirect)
    }
    slot.backing = 0
    guard attributes.size >= policy.smallest else { return Backing(id: 0) }
    return Backing(
      id: lends
        ? openLent(node, slot, file, attributes, registry)
        : openCopy(node, slot, file, handle, registry))
  }

  private func openLent(
    _ node: NodeID, _ slot: NodeSlot, _ file: any OpenFile, _ attributes: Attributes,
    _ registry: any BackingFileRegistry
  ) -> Int32 {
    // The file system would take them off as root writes, who may leave them.
    guard slot.load32(NodeSlot.form) == NodeSlot.Form.identity.rawValue, attributes.mode & 0o6000 == 0,
      let descriptor = file.descriptorNumber
    else { return 0 }
    declare(SharedStateLayout.backingFilesFeature)
    return withExtendedLifetime(file) { register(node, slot, descriptor, registry) }
  }

  private func register(
    _ node: NodeID, _ slot: NodeSlot, _ descriptor: CInt, _ registry: any BackingFileRegistry
  ) -> Int32 {
    // Should this worker die now, its successor knows that there may be a number.
    slot.backing = NodeSlot.unknownBacking
    guard let id = registry.open(node, descriptor: descriptor), id > 0 else { return 0 }
    slot.backing = id
    return id
  }

  /// From now on a worker has to know of numbers.
  private func declare(_ used: UInt64) {
    let features = memory.loadRelaxed64(at: SharedStateLayout.featuresOffset)
    guard features & used != used else { return }
    memory.storeReleasing64(features | used, at: SharedStateLayout.featuresOffset)
  }

  /// No open file of the node is left.
  func closed(_ node: NodeID, _ slot: NodeSlot) {
    let id = slot.backing
    guard id != 0, let registry = policy.registry else { return }
    slot.backing = 0
    registry.close(node, max(0, id))
  }
}

// MARK: - Copies of objects

extension PassthroughNodes {
  /// Nobody else has the node open, and nobody will write to it through this open.
  private func openCopy(
    _ node: NodeID, _ slot: NodeSlot, _ file: any OpenFile, _ handle: HandleID, _ registry: any BackingFileRegistry
  ) -> Int32 {
    // O_DIRECT has demands of its own where the copy lies, and none in an object store.
    guard handle.access == .read, !handle.isDirect, !registry.isOff, let caching = file as? CachingFile else {
      return 0
    }
    guard let copy = caching.wholeFile else {
      caching.keepWhole()
      return 0
    }
    declare(SharedStateLayout.backingFilesFeature | SharedStateLayout.backingCopiesFeature)
    return withExtendedLifetime(copy) { register(node, slot, copy.rawValue, registry) }
  }

  /// Whether the kernel reads the node from a copy: then nothing may be written to it. In turn.
  func isReadFromCopy(_ slot: NodeSlot) -> Bool { policy.registry != nil && !lends && slot.backing > 0 }

  /// Nobody has the file open any more: for the next time there may be a copy.
  func lastClosed(_ file: (any OpenFile)?) {
    guard !lends, let registry = policy.registry, !registry.isOff, let caching = file as? CachingFile,
      let version = caching.version, version.size >= policy.smallest
    else { return }
    caching.keepWhole()
  }
}

extension VolumeFileSystem {
  /// Before content is written to a node: one that the kernel reads from a copy stays as it is for those who have it open.
  /// - Throws: ESTALE for such a node. The kernel looks its name up again, and gets another one.
  func checkUnread(_ node: NodeID) throws(Errno) {
    guard passthrough.isReadFromCopy(try table.slot(node)) else { return }
    table.setAside(node)
    // What was opened for writing meanwhile is the other node's.
    cache.drop(node)
    throw .staleNode
  }
}

extension NodeSlot {
  /// Somebody has asked for a number and died before it came, or none came.
  static let unknownBacking: Int32 = -1

  var backing: Int32 {
    get { Int32(bitPattern: load32(Self.backing)) }
    nonmutating set { store32(UInt32(bitPattern: newValue), Self.backing) }
  }
}
