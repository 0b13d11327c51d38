/// Where things lie in a volume's shared state: the memfd that outlives the worker. The mounter creates it, writes the header
/// once and keeps the descriptor; everything behind the header belongs to the worker. All integers are little-endian.
/// `VolumeFileSystem/SharedState.md` describes the contents; this type is the one source of the numbers.
package enum SharedStateLayout {
  /// `ALXVOLFS`, read as a little-endian integer.
  package static let magic: UInt64 = 0x5346_4C4F_5658_4C41
  /// Version that this build writes.
  /// 2: the intent journal. 3: what is in the hands of mounter and kernel of a node. 4: the index of the nodes.
  package static let version: UInt32 = 4
  /// Oldest version that this build still reads (version N reads N − 1).
  package static let oldestReadableVersion: UInt32 = 3

  // Header fields.
  /// Offsets of the header's fields, in bytes.
  package static let magicOffset = 0
  package static let versionOffset = 8
  /// Oldest version of a reader that understands this state, written by the worker that formats or upgrades it.
  package static let oldestReaderOffset = 12
  /// Feature bits (UInt64): a reader that meets a bit it does not know leaves the state alone.
  package static let featuresOffset = 16
  /// Nodes may have a backing file: a worker that opened one of them without it would get its opener EIO.
  package static let backingFilesFeature: UInt64 = 1
  /// The backing file of a node may be a copy that is for reading alone: a worker that does not know would have the kernel
  /// write to it.
  package static let backingCopiesFeature: UInt64 = 2
  package static let maxNodesOffset = 24
  package static let slotSizeOffset = 28
  package static let initRequestLengthOffset = 32
  package static let initReplyLengthOffset = 36
  /// Slots ever used; the rest of the table is untouched and costs no memory.
  package static let highWaterOffset = 40
  /// Generation of the worker, counted up by each that takes over.
  package static let workerGenerationOffset = 44
  /// Generation of the last worker that took a request which wants an answer (UInt64). The mounter reads it when a worker
  /// has died, only to tell whether that one is to blame.
  package static let askedWorkerOffset = 48
  /// Generation of the last worker that kept the index. Another than the last worker's: the index is not to be used.
  package static let indexGenerationOffset = 64
  /// First slot of the chain of free ones; 0: none.
  package static let freeSlotsOffset = 68
  /// 1 once a node was known by name only.
  package static let namedNodesOffset = 72

  /// The FUSE_INIT request as the kernel sent it, with `flags` and `flags2` reduced to those granted.
  package static let initRequestOffset = 256
  /// The body of the FUSE_INIT reply that the mounter sent.
  package static let initReplyOffset = 768
  package static let initAreaSize = 512

  /// Slots that are on their way from one chain to another, 4 bytes each, 0: none. More than requests are worked on at a
  /// time.
  package static let slotMovesOffset = 2048
  package static let slotMoveCount = 128
  /// How many opens the nodes have, in parts on cache lines of their own; a node's part is its slot's number modulo their
  /// number.
  package static let openCountParts = 16
  package static func openCount(_ part: Int) -> Int { 2560 + 64 * part }

  /// Names of objects that are prepared and not yet placed, so that a successor can remove them.
  package static let pendingNamesOffset = 4096
  package static let pendingNamesSize = 60 * 1024
  /// The intent journal: first the numbers of the requests, 8 bytes for each entry, then the entries. The rest of its room
  /// is not used.
  package static let journalOffset = 64 * 1024
  /// Far more than requests can be worked on at a time, so that what dead workers left finds room beside them.
  package static let journalEntryCount = 1024
  package static let journalEntrySize = 512
  package static let journalEntriesOffset = journalOffset + journalEntryCount * 8
  /// The node table: `maxNodes` slots.
  package static let nodesOffset = 2048 * 1024
  /// Bytes of a slot: 96 of fields, 288 of identity.
  package static let slotSize = 384

  /// Nodes that the kernel may know at a time when nothing else is configured. The memfd is sparse: untouched slots cost nothing.
  package static let defaultMaxNodes: UInt32 = 1 << 20

  /// Where the node table ends; a state of version 3 ends here too, and is made larger by the first worker of a later one.
  package static func nodesEnd(maxNodes: UInt32) -> Int { nodesOffset + Int(maxNodes) * slotSize }

  /// Size that the memfd gets before it is sealed against shrinking.
  package static func size(maxNodes: UInt32) -> Int {
    indexLevels(maxNodes: maxNodes).last.map { $0.offset + 4 << $0.bits } ?? nodesEnd(maxNodes: maxNodes)
  }

  /// The first bytes of a new state, to be written at offset 0 of a zero-filled memfd.
  /// - Parameters:
  ///   - initRequest: what was read from /dev/fuse (header included), with the flags reduced to those granted.
  ///   - initReply: the `fuse_init_out` that was answered.
  /// - Returns: nil when one of them is longer than `initAreaSize`.
  package static func header(maxNodes: UInt32, initRequest: [UInt8], initReply: [UInt8]) -> [UInt8]? {
    guard initRequest.count <= initAreaSize, initReply.count <= initAreaSize else { return nil }
    var bytes = [UInt8](repeating: 0, count: initReplyOffset + initAreaSize)
    func put<T: FixedWidthInteger>(_ value: T, at offset: Int) {
      for index in 0..<MemoryLayout<T>.size {
        bytes[offset + index] = UInt8(truncatingIfNeeded: value >> (8 * T(index)))
      }
    }
    put(magic, at: magicOffset)
    put(version, at: versionOffset)
    put(oldestReadableVersion, at: oldestReaderOffset)
    put(maxNodes, at: maxNodesOffset)
    put(UInt32(slotSize), at: slotSizeOffset)
    put(UInt32(initRequest.count), at: initRequestLengthOffset)
    put(UInt32(initReply.count), at: initReplyLengthOffset)
    bytes.replaceSubrange(initRequestOffset..<initRequestOffset + initRequest.count, with: initRequest)
    bytes.replaceSubrange(initReplyOffset..<initReplyOffset + initReply.count, with: initReply)
    return bytes
  }
}
