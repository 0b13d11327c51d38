import SystemPackage
import UnderFileSystem

/// Another file system whose files come over a network: their names and sizes are its own, and their bytes a script's.
final class RangedFileSystem: UnderFileSystem {
  private let base: InMemoryFileSystem
  fileprivate let calls: Events<ScriptedFile.Call>?

  init(_ base: InMemoryFileSystem, calls: Events<ScriptedFile.Call>?) {
    self.base = base
    self.calls = calls
  }

  var preparesFilesUnnamed: Bool { base.preparesFilesUnnamed }
  var root: any UnderNode { RangedNode(base.root, self) }
  func node(_ identity: NodeIdentity) throws(Errno) -> any UnderNode { RangedNode(try base.node(identity), self) }
  func statistics() throws(Errno) -> FileSystemStatistics { try base.statistics() }
}

private final class RangedNode: UnderNode {
  private let base: any UnderNode
  private let fileSystem: RangedFileSystem

  init(_ base: any UnderNode, _ fileSystem: RangedFileSystem) {
    self.base = base
    self.fileSystem = fileSystem
  }

  var identity: NodeIdentity? { base.identity }
  func fingerprint() throws(Errno) -> NodeIdentity { try base.fingerprint() }
  func fingerprint(of name: FileName) throws(Errno) -> NodeIdentity { try base.fingerprint(of: name) }
  func attributes() throws(Errno) -> Attributes { try base.attributes() }
  func setAttributes(_ change: AttributeChange, caller: Caller) throws(Errno) -> Attributes {
    try base.setAttributes(change, caller: caller)
  }
  func readLink() throws(Errno) -> [UInt8] { try base.readLink() }
  func open(_ access: FileAccess, caller: Caller) throws(Errno) -> any OpenFile {
    guard access == .read else { return try base.open(access, caller: caller) }
    let calls = fileSystem.calls
    return ScriptedFile(size: try base.attributes().size) { call in
      if let calls { calls.add(call) } else { call.complete() }
    }
  }
  func openAsCaller(_ access: FileAccess, caller: Caller) throws(Errno) -> any OpenFile {
    try open(access, caller: caller)
  }
  func list(from cookie: UInt64) throws(Errno) -> any DirectoryStream { try base.list(from: cookie) }
  func lookup(_ name: FileName) throws(Errno) -> FoundNode {
    let found = try base.lookup(name)
    return FoundNode(node: RangedNode(found.node, fileSystem), attributes: found.attributes)
  }
  func prepare(
    _ object: NewObject, named name: FileName, token: UInt64, for creator: Creator
  ) throws(Errno) -> any PreparedNode { try base.prepare(object, named: name, token: token, for: creator) }
  func sweep(token: UInt64) { base.sweep(token: token) }
  func link(_ node: any UnderNode, named name: FileName, caller: Caller) throws(Errno) { throw .notSupported }
  func remove(_ name: FileName, directory: Bool, caller: Caller) throws(Errno) {
    try base.remove(name, directory: directory, caller: caller)
  }
  func rename(
    _ name: FileName, to newParent: any UnderNode, named newName: FileName, flags: RenameFlags, caller: Caller
  ) throws(Errno) { throw .notSupported }
  func extendedAttribute(_ name: FileName) throws(Errno) -> [UInt8] { throw .noData }
  func extendedAttributeNames() throws(Errno) -> [UInt8] { [] }
  func setExtendedAttribute(
    _ name: FileName, to value: [UInt8], flags: ExtendedAttributeFlags, caller: Caller
  ) throws(Errno) { throw .notSupported }
  func removeExtendedAttribute(_ name: FileName, caller: Caller) throws(Errno) { throw .notSupported }
  func synchronize() throws(Errno) {}
}
