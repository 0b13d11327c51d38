package import SystemPackage

/// A call that a fault can be injected into.
package enum UnderFileSystemCall: Sendable, Hashable, CaseIterable {
  case node, statistics, fingerprint, attributes, setAttributes, readLink, open, list, lookup, prepare, place, link,
    remove, rename
  case extendedAttribute, synchronize, read, write, truncate, allocate, seek, copy, flush
}

/// Another UFS whose calls fail when a test says so, before they have done anything.
package final class FaultyFileSystem: UnderFileSystem {
  /// Asked before each call, from any thread; the error that it returns is thrown.
  package typealias Fault = @Sendable (UnderFileSystemCall) -> Errno?

  private let base: any UnderFileSystem
  private let fault: Fault

  package init(_ base: any UnderFileSystem, fault: @escaping Fault) {
    self.base = base
    self.fault = fault
  }

  package var preparesFilesUnnamed: Bool { base.preparesFilesUnnamed }
  package var wantsCloses: Bool { base.wantsCloses }
  package var hasLeftovers: Bool { base.hasLeftovers }
  package func closeLeftovers(unless isOpen: ([FileName]) -> Bool) { base.closeLeftovers(unless: isOpen) }
  package func canRename(_ flags: RenameFlags) -> Bool { base.canRename(flags) }
  package var root: any UnderNode { FaultyNode(base.root, fault) }

  package func node(_ identity: NodeIdentity) throws(Errno) -> any UnderNode {
    if let error = fault(.node) { throw error }
    return FaultyNode(try base.node(identity), fault)
  }

  package func statistics() throws(Errno) -> FileSystemStatistics {
    if let error = fault(.statistics) { throw error }
    return try base.statistics()
  }
}
