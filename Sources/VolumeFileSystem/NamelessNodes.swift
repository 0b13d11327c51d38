import LinuxSystem
import Synchronization
import SystemPackage
import UnderFileSystem
import VolumeModel

/// Keeps descriptors of nodes beyond the life of this process, for files that are in use and that no name leads to. Calls
/// are in the order of what happens to a node; none fails visibly, and none waits long.
package protocol NodeCustody: Sendable {
  /// Keeps the object behind `descriptor` alive, whatever becomes of this process once the call has returned.
  /// - Parameter descriptor: stays the caller's.
  func hold(_ node: NodeID, descriptor: CInt)
  /// The node needs it no more.
  func release(_ node: NodeID)
}

/// Nodes that lose their last name while they are in use. A file handle leads to them as long as any process has a
/// descriptor of them, so custody gets one before the name goes; the next worker then opens them like all others.
///
/// Held are open files, and directories that the kernel knows: a process may work in one without an open file. The slot says
/// which, for the next worker.
final class NamelessNodes: Sendable {
  private let table: NodeTable
  private let custody: (any NodeCustody)?
  /// Messages about one node go out in the order in which its slot changes.
  private let order = Mutex(())

  init(table: NodeTable, custody: (any NodeCustody)?) {
    self.table = table
    self.custody = custody
  }

  var isWanted: Bool { custody != nil }

  func hold(_ node: NodeID, _ slot: NodeSlot, _ reference: any UnderNode) {
    guard let custody, let number = reference.descriptorNumber else { return }
    order.withLock { _ in
      guard !slot.isHeld else { return }
      withExtendedLifetime(reference) { custody.hold(node, descriptor: number) }
      slot.setHeld(true)
    }
  }

  /// The last open file of the node is closed; a directory stays held until it is forgotten.
  func closed(_ node: NodeID, _ slot: NodeSlot) { release(node, slot) { slot.load32(NodeSlot.opens) == 0 } }

  func forgotten(_ node: NodeID) {
    guard let slot = try? table.slot(node) else { return }
    release(node, slot) { true }
  }

  private func release(_ node: NodeID, _ slot: NodeSlot, where isUnused: () -> Bool) {
    guard slot.isHeld, let custody else { return }
    order.withLock { _ in
      guard slot.isHeld, isUnused() else { return }
      slot.setHeld(false)
      custody.release(node)
    }
  }
}

extension VolumeFileSystem {
  /// The node that has the name, if the kernel knows it.
  func victim(_ fingerprint: NodeIdentity?, _ name: FileName, in parent: NodeID) -> NodeID? {
    guard nameless.isWanted else { return nil }
    if let fingerprint, let node = table.find(.identity(fingerprint)) { return node }
    guard table.hasNamedNodes, let key = try? named(name, in: parent) else { return nil }
    return table.find(key)
  }

  /// Takes a node's name away and sees to it that the node outlives this worker if it is in use.
  /// - Parameter isDirectory: nil where the caller does not know.
  func removing(_ node: NodeID?, isDirectory: Bool?, _ body: () throws(Errno) -> Void) throws(Errno) {
    guard let node, let slot = try? table.slot(node) else {
      try reach(.afterCustody)
      return try body()
    }
    slot.beginRemoval()
    defer { slot.endRemoval() }
    if slot.isOpen || isDirectory ?? self.isDirectory(node) { keepAlive(node) }
    try reach(.afterCustody)
    try body()
  }

  /// Gives a descriptor of the node away for as long as the node is used.
  func keepAlive(_ node: NodeID) {
    // What the kernel reads and writes itself it also keeps alive.
    guard nameless.isWanted, let slot = try? table.slot(node), !slot.isHeld, slot.backing <= 0,
      let reference = try? reference(node)
    else { return }
    nameless.hold(node, slot, reference)
  }

  private func isDirectory(_ node: NodeID) -> Bool {
    (try? reference(node).attributes().isDirectory) ?? false
  }
}

// MARK: - What the slot says

extension NodeSlot {
  /// A descriptor of it is in custody. The other bits count removals of a name that run in this process, above them the
  /// generation of the worker that counted: removals of a worker that died are none.
  private static let heldBit: UInt32 = 1
  private static let removal: UInt32 = 2
  private static let countBits: UInt32 = 0xfffe
  private static let generationBits: UInt32 = 0xffff_0000

  var isHeld: Bool { load32(Self.custody) & Self.heldBit != 0 }

  func setHeld(_ isHeld: Bool) {
    change { isHeld ? $0 | Self.heldBit : $0 & ~Self.heldBit }
  }

  /// Ordered against the count of opens: who counts one and does not see the removal is seen by it.
  func beginRemoval() {
    let own = generation
    change { ($0 & Self.generationBits == own ? $0 : $0 & Self.heldBit | own) &+ Self.removal }
  }

  func endRemoval() {
    let own = generation
    change { $0 & Self.generationBits == own && $0 & Self.countBits != 0 ? $0 - Self.removal : $0 }
  }

  /// Those of a worker that died.
  func endAllRemovals() { change { $0 & Self.heldBit } }

  /// Of the worker that serves, in its bits of the field.
  private var generation: UInt32 { memory.loadRelaxed32(at: SharedStateLayout.workerGenerationOffset) << 16 }

  /// Asked after the removal has begun.
  var isOpen: Bool { memory.add32(0, at: base + Self.opens) > 0 }

  /// Asked after an open has been counted.
  var isBeingRemoved: Bool {
    let value = memory.add32(0, at: base + Self.custody)
    return value & Self.countBits != 0 && value & Self.generationBits == generation
  }

  private func change(_ body: (UInt32) -> UInt32) {
    var value = load32(Self.custody)
    while true {
      let (done, found) = memory.compareExchange32(expected: value, desired: body(value), at: base + Self.custody)
      if done { return }
      value = found
    }
  }
}
