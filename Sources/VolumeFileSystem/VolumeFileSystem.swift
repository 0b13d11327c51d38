import LinuxSystem
package import SystemPackage
package import UnderFileSystem
package import VolumeModel

/// One volume as FUSE sees it: one method per FUSE operation, without FUSE. Safe to call from any number of threads.
///
/// Every method runs on the calling thread and may block on the under file system. Methods that answer an `Entry` count a
/// lookup before they return: when the answer does not reach the kernel, `forget(_, 1)` takes it back.
package final class VolumeFileSystem: Sendable {
  let underFileSystem: any UnderFileSystem
  private let state: SharedState
  let root: any UnderNode
  let table: NodeTable
  let cache: DescriptorCache
  let streams = DirectoryStreams()
  let pending: PendingNames
  let journal: IntentJournal
  /// Whether a next worker could go on with what this one leaves.
  let isFollowed: Bool
  let counts: CountTurns
  let presentation: Presentation
  let nameless: NamelessNodes
  let passthrough: PassthroughNodes
  let reading: FileReading
  #if FAULT_INJECTION
    /// Where the tests let this volume's worker die.
    package let crashes: CrashInjection
  #endif

  /// Takes over whatever `state` holds, or starts an empty table.
  /// - Parameters:
  ///   - custody: who keeps what this process's death would end; nil: nobody.
  ///   - reading: of files whose bytes come over a network.
  ///   - isFollowed: false: nothing is recorded for a next worker, so that there can be none.
  ///   - descriptorLimit: descriptors kept open for nodes; nil: a quarter of RLIMIT_NOFILE, at most 4096.
  package init(
    underFileSystem: any UnderFileSystem, state: SharedState, options: WorkerOptions,
    custody: (any NodeCustody)? = nil, passthrough: PassthroughPolicy = PassthroughPolicy(registry: nil),
    reading: ReadPolicy = ReadPolicy(), descriptorLimit: Int? = nil, isFollowed: Bool = true
  ) throws(Errno) {
    self.underFileSystem = underFileSystem
    self.state = state
    #if FAULT_INJECTION
      // An object store's operations have steps of their own.
      crashes = (underFileSystem as? ObjectFileSystem)?.crashes ?? CrashInjection()
    #endif
    self.reading = FileReading(reading)
    root = underFileSystem.root
    table = NodeTable(state)
    cache = DescriptorCache(capacity: descriptorLimit ?? Self.defaultDescriptorLimit(), table: table)
    pending = PendingNames(state)
    journal = IntentJournal(state, isOff: !isFollowed)
    self.isFollowed = isFollowed
    counts = CountTurns(isOn: underFileSystem.wantsCloses)
    nameless = NamelessNodes(table: table, custody: custody)
    self.passthrough = PassthroughNodes(passthrough, underFileSystem, state)
    presentation = Presentation(options)
    if underFileSystem.wantsCloses {
      journal.settleReleases { node, intent in
        (try? table.slot(node)).map { UInt64($0.load32(NodeSlot.opens)) != intent.digest } ?? true
      }
    }
    pending.sweep { parent, token in (try? reference(parent))?.sweep(token: token) }
  }

  /// Changes what a republish may change while mounted: timeouts, capacity, readOnly.
  package func update(_ options: WorkerOptions) { presentation.update(options) }

  /// A request that wants an answer was taken, for whoever wonders why this process has died. May be said again.
  package func noteAsked() { state.noteAsked() }

  /// Descriptors held for nodes now.
  package var descriptorCount: Int { cache.count }

  private static func defaultDescriptorLimit() -> Int {
    let limit = (try? DescriptorLimit.current()) ?? 1024
    return min(limit / 4, 4096)
  }
}

// MARK: - From numbers to nodes

extension VolumeFileSystem {
  /// A reference to the node, opened if need be. - Throws: ESTALE when it is gone.
  func reference(_ node: NodeID) throws(Errno) -> any UnderNode {
    if node == NodeTable.root { return root }
    let slot = try table.slot(node)
    if let cached = cache.reference(node) { return cached }
    switch slot.fileKey {
    case .identity(let identity):
      return cache.insert(try underFileSystem.node(identity), for: node)
    case .named(let parent, let parentGeneration, let name, let inode):
      guard try table.generation(of: parent) == parentGeneration else { throw .staleNode }
      let found: FoundNode
      do throws(Errno) { found = try reference(parent).lookup(name) } catch {
        throw error == .noSuchFileOrDirectory ? .staleNode : error
      }
      guard found.stamp == inode else { throw .staleNode }
      return cache.insert(found.node, for: node)
    case nil: throw .staleNode
    }
  }

  /// An open file of the node, opened (again) if need be.
  @inline(__always)
  func file(_ node: NodeID, _ access: FileAccess) throws(Errno) -> any OpenFile {
    if let file = cache.file(node, access) { return file }
    return try openFile(node, access, caller: .nobody)
  }

  @inline(never)
  func openFile(_ node: NodeID, _ access: FileAccess, caller: Caller) throws(Errno) -> any OpenFile {
    cache.insert(try adopted(try reference(node).open(access, caller: caller)), for: node)
  }

  /// - Parameter stamp: tells the file from others that have the name in turn.
  func key(
    _ identity: NodeIdentity?, parent: NodeID, name: FileName, stamp: UInt64
  ) throws(Errno) -> NodeKey {
    if let identity { return .identity(identity) }
    return .named(parent: parent, parentGeneration: try table.generation(of: parent), name: name, inode: stamp)
  }

  func key(
    of node: any UnderNode, _ attributes: Attributes, parent: NodeID, name: FileName
  ) throws(Errno) -> NodeKey {
    try key(node.identity, parent: parent, name: name, stamp: node.versionStamp ?? attributes.inode)
  }

  /// Counts a lookup of what was found or made and describes it for the kernel.
  func entry(
    _ key: NodeKey, reference: (any UnderNode)?, attributes: Attributes
  ) throws(Errno) -> Entry {
    let (node, generation) = try table.acquire(key)
    if let reference { cache.insert(reference, for: node) }
    try table.slot(node).recordShown(attributes)
    return Entry(
      node: node, generation: generation, attributes: presentation.shown(attributes),
      entryTimeout: presentation.entryTimeout, attributeTimeout: presentation.attributeTimeout)
  }

  func reply(_ attributes: Attributes, of node: NodeID) throws(Errno) -> AttributeReply {
    try table.slot(node).recordShown(attributes)
    return AttributeReply(attributes: presentation.shown(attributes), timeout: presentation.attributeTimeout)
  }
}
