import SystemPackage
import UnderFileSystem

/// Operations that must not be applied twice. Each looks first whether a dead worker left an entry for its request. Where it
/// left the answer, that is the answer; where it left an intent, what is there now tells whether it was done.
extension VolumeFileSystem {
  /// The request is answered: its entry goes. To be called after every operation that takes a `RequestID`.
  package func answered(_ request: RequestID) {
    try? reach(.afterReply)
    journal.free(request)
    try? reach(.afterFree)
  }

  /// Entries in use, for tests.
  package var intentCount: Int { journal.count }

  /// Whether a dead worker left entries of requests that have not come again.
  package var hasUnclaimedIntents: Bool { journal.hasLeft }

  /// Whether a dead worker left such entries, or files that it may have been the last to
  /// have open.
  package var waitsForResentRequests: Bool { journal.hasLeft || underFileSystem.hasLeftovers }

  /// No resent request can come any more: entries that nobody claimed belong to requests that were answered, and what nobody
  /// has open nobody will close. May wait for the under file system.
  package func resentRequestsAreDrained() {
    journal.sweep()
    underFileSystem.closeLeftovers { names in hasWriters(names) }
  }

  /// Whether a file is open for writing, by its names from the root down.
  private func hasWriters(_ names: [FileName]) -> Bool {
    var node = NodeTable.root
    for name in names {
      guard let key = try? named(name, in: node), let child = table.find(key) else { return false }
      node = child
    }
    return hasWriters(node)
  }

  /// Runs an operation whose answer is success or an error.
  /// - Parameters:
  ///   - learn: checks what can be checked before, and looks at what is about to go; nil: it cannot be recorded.
  ///   - wasApplied: whether what is there now is what the recorded intent wanted.
  func once(
    _ operation: JournalOperation, _ request: RequestID, at node: NodeID,
    learn: () throws(Errno) -> Intent?, wasApplied: (Intent) throws(Errno) -> Bool,
    apply: (Intent?) throws(Errno) -> Void
  ) throws(Errno) {
    if let left = journal.claim(request, operation, at: node) {
      if let outcome = left.outcome { return try outcome.get() }
      if try wasApplied(left.intent) {
        left.finish(nil)
        return try reach(.afterDone)
      }
    }
    try presentation.checkWritable()
    let intent = isFollowed ? try learn() : nil
    try reach(.beforeIntent)
    let entry = if let intent { journal.begin(request, operation, at: node, intent) } else { nil as JournalEntry? }
    try reach(.afterIntent)
    do throws(Errno) { try apply(intent) } catch {
      entry?.finish(error)
      try reach(.afterDone)
      throw error
    }
    try reach(.afterApply)
    entry?.finish(nil)
    try reach(.afterDone)
  }

  /// Counts a lookup, and an open where there is one, of what an operation made, and records the answer.
  /// - Parameter isResumed: a dead worker has made it, and may have counted that.
  func answer(
    _ key: NodeKey, _ reference: (any UnderNode)?, _ attributes: Attributes, opening handle: HandleID? = nil,
    isResumed: Bool = false, in entry: JournalEntry?
  ) throws(Errno) -> Entry {
    let answer = try self.entry(key, reference: reference, attributes: attributes)
    if let handle {
      let slot = try table.slot(answer.node)
      // One too many would keep a file from its store. Nobody else can have opened it: until the answer the kernel lets nobody
      // near the name, and by another name such a node is not known.
      let isCounted = isResumed && underFileSystem.wantsCloses && slot.load32(NodeSlot.opens) > 0
      if !isCounted { slot.addOpen(writer: handle.access == .readWrite) }
    }
    try reach(.afterCount)
    entry?.finish(node: answer.node, generation: answer.generation, attributes)
    try reach(.afterDone)
    return answer
  }

  /// The answer that a dead worker recorded and may not have sent; the lookup that it counted is this answer's.
  /// - Throws: the error that was recorded, or ESTALE for a record that is damaged.
  func recordedAnswer(_ left: JournalEntry, _ outcome: Result<Void, Errno>) throws(Errno) -> Entry {
    try outcome.get()
    let (node, generation, attributes) = left.made
    guard try UInt64(table.generation(of: node)) == generation else { throw .staleNode }
    return Entry(
      node: node, generation: generation, attributes: presentation.shown(attributes),
      entryTimeout: presentation.entryTimeout, attributeTimeout: presentation.attributeTimeout)
  }

  /// What has the name, if that is what the intent was about.
  func find(_ intent: Intent, as name: FileName, in directory: any UnderNode) throws(Errno) -> FoundNode? {
    guard let wanted = intent.first else { return nil }
    let found: FoundNode
    do throws(Errno) { found = try directory.lookup(name) } catch {
      if error == .noSuchFileOrDirectory { return nil }
      throw error
    }
    return try found.node.fingerprint() == wanted ? found : nil
  }

  /// What has the name now; nil when nothing has it.
  func present(_ name: FileName, in directory: any UnderNode) throws(Errno) -> NodeIdentity? {
    do throws(Errno) { return try directory.fingerprint(of: name) } catch {
      if error == .noSuchFileOrDirectory { return nil }
      throw error
    }
  }
}
