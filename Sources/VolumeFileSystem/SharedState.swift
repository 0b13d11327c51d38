package import LinuxSystem
package import SystemPackage
import UnderFileSystem
import VolumeModel

/// The volume's state that outlives this process, mapped from the memfd that the mounter holds. See SharedState.md.
package final class SharedState: Sendable {
  let memory: SharedMemory
  /// Slots that the node table has room for.
  let maxNodes: UInt32
  /// Counts the workers that have mapped this state, this one included.
  package let workerGeneration: UInt32
  /// Whether the worker before kept the index of the nodes; a build of version 3 does not.
  let isIndexed: Bool

  /// Maps the state.
  /// - Throws: EINVAL when its header is not one that this build can read (the worker before should then go on serving);
  ///   EPERM when the memfd is not sealed against shrinking.
  package init(descriptor: borrowing Descriptor) throws(Errno) {
    var memory = try SharedMemory(mapping: descriptor)
    guard memory.byteCount >= SharedStateLayout.nodesOffset + SharedStateLayout.slotSize,
      memory.load(UInt64.self, at: SharedStateLayout.magicOffset) == SharedStateLayout.magic,
      memory.load(UInt32.self, at: SharedStateLayout.oldestReaderOffset) <= SharedStateLayout.version,
      memory.load(UInt32.self, at: SharedStateLayout.versionOffset) >= SharedStateLayout.oldestReadableVersion,
      memory.load(UInt64.self, at: SharedStateLayout.featuresOffset) & ~Self.knownFeatures == 0,
      memory.load(UInt32.self, at: SharedStateLayout.slotSizeOffset) == UInt32(SharedStateLayout.slotSize)
    else { throw .unreadableState }
    maxNodes = memory.load(UInt32.self, at: SharedStateLayout.maxNodesOffset)
    guard maxNodes > 0, SharedStateLayout.nodesEnd(maxNodes: maxNodes) <= memory.byteCount else {
      throw .unreadableState
    }
    // A state of version 3, or of a mounter that makes no other, has no room for the index yet.
    let size = SharedStateLayout.size(maxNodes: maxNodes)
    if memory.byteCount < size {
      try Memfd.resize(descriptor, to: size)
      memory = try SharedMemory(mapping: descriptor)
    }
    self.memory = memory
    // What this version adds, it adds here: a state of the version before has nothing to be changed.
    if memory.load(UInt32.self, at: SharedStateLayout.versionOffset) < SharedStateLayout.version {
      memory.storeReleasing32(SharedStateLayout.version, at: SharedStateLayout.versionOffset)
    }
    let before = memory.add32(1, at: SharedStateLayout.workerGenerationOffset)
    workerGeneration = before &+ 1
    // A worker that dies between the two leaves an index that is made anew, which takes longer and is right.
    isIndexed = memory.loadAcquiring32(at: SharedStateLayout.indexGenerationOffset) == before
    if isIndexed { memory.storeReleasing32(workerGeneration, at: SharedStateLayout.indexGenerationOffset) }
  }

  /// This worker has taken a request that wants an answer: from now on its death may be its own fault. Cheap, and harmless
  /// when said again.
  package func noteAsked() {
    memory.storeRelaxed64(UInt64(workerGeneration), at: SharedStateLayout.askedWorkerOffset)
  }

  /// Feature bits that this build understands.
  private static let knownFeatures = SharedStateLayout.backingFilesFeature | SharedStateLayout.backingCopiesFeature

  /// The FUSE_INIT request that the mounter answered, to be replayed into libfuse; empty when the mounter left none.
  package var initRequest: [UInt8] {
    area(at: SharedStateLayout.initRequestOffset, length: SharedStateLayout.initRequestLengthOffset)
  }

  /// The body of the FUSE_INIT reply, `fuse_init_out`.
  package var initReply: [UInt8] {
    area(at: SharedStateLayout.initReplyOffset, length: SharedStateLayout.initReplyLengthOffset)
  }

  private func area(at offset: Int, length lengthOffset: Int) -> [UInt8] {
    let length = Int(memory.load(UInt32.self, at: lengthOffset))
    return memory.bytes(at: offset, count: min(length, SharedStateLayout.initAreaSize))
  }
}
