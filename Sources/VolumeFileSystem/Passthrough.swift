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

/// Nodes that the kernel reads and writes itself (FUSE passthrough, Linux 6.9).
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

  /// The number for an open that has been counted; 0: the worker serves it.
  /// - Parameter isFirst: nobody else has the node open.
  func backing(_ node: NodeID, _ slot: NodeSlot, _ file: any OpenFile, _ attributes: Attributes, isFirst: Bool) -> Int32
  {
    guard let registry = policy.registry else { return 0 }
    guard isFirst else { return max(0, slot.backing) }
    slot.backing = 0
    guard lends, slot.load32(NodeSlot.form) == NodeSlot.Form.identity.rawValue, attributes.size >= policy.smallest,
      // The file system would take them off as root writes, who may leave them.
      attributes.mode & 0o6000 == 0, let descriptor = file.descriptorNumber
    else { return 0 }
    declare()
    // Should this worker die now, its successor knows that there may be a number.
    slot.backing = NodeSlot.unknownBacking
    guard let id = withExtendedLifetime(file, { registry.open(node, descriptor: descriptor) }), id > 0 else { return 0 }
    slot.backing = id
    return id
  }

  /// From now on a worker has to know of numbers.
  private func declare() {
    let features = memory.loadRelaxed64(at: SharedStateLayout.featuresOffset)
    guard features & SharedStateLayout.backingFilesFeature == 0 else { return }
    memory.storeReleasing64(features | SharedStateLayout.backingFilesFeature, at: SharedStateLayout.featuresOffset)
  }

  /// No open file of the node is left.
  func closed(_ node: NodeID, _ slot: NodeSlot) {
    let id = slot.backing
    guard id != 0, let registry = policy.registry else { return }
    slot.backing = 0
    registry.close(node, max(0, id))
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
