import SystemPackage

/// A node whose calls may fail.
final class FaultyNode: UnderNode {
  private let base: any UnderNode
  private let fault: FaultyFileSystem.Fault

  init(_ base: any UnderNode, _ fault: @escaping FaultyFileSystem.Fault) {
    self.base = base
    self.fault = fault
  }

  private func check(_ call: UnderFileSystemCall) throws(Errno) {
    if let error = fault(call) { throw error }
  }

  private static func base(of node: any UnderNode) -> any UnderNode { (node as? FaultyNode)?.base ?? node }

  var versionStamp: UInt64? { base.versionStamp }
  func lastWriterClosed() { base.lastWriterClosed() }
  var identity: NodeIdentity? { base.identity }
  var descriptorNumber: CInt? { base.descriptorNumber }

  func fingerprint() throws(Errno) -> NodeIdentity { try base.fingerprint() }

  func fingerprint(of name: FileName) throws(Errno) -> NodeIdentity {
    try check(.fingerprint)
    return try base.fingerprint(of: name)
  }

  func attributes() throws(Errno) -> Attributes {
    try check(.attributes)
    return try base.attributes()
  }

  func setAttributes(_ change: AttributeChange, caller: Caller) throws(Errno) -> Attributes {
    try check(.setAttributes)
    return try base.setAttributes(change, caller: caller)
  }

  func readLink() throws(Errno) -> [UInt8] {
    try check(.readLink)
    return try base.readLink()
  }

  func open(_ access: FileAccess, caller: Caller) throws(Errno) -> any OpenFile {
    try check(.open)
    return FaultyFile(try base.open(access, caller: caller), fault)
  }

  func openAsCaller(_ access: FileAccess, caller: Caller) throws(Errno) -> any OpenFile {
    try check(.open)
    return FaultyFile(try base.openAsCaller(access, caller: caller), fault)
  }

  func list(from cookie: UInt64) throws(Errno) -> any DirectoryStream {
    try check(.list)
    return try base.list(from: cookie)
  }

  func lookup(_ name: FileName) throws(Errno) -> FoundNode {
    try check(.lookup)
    let found = try base.lookup(name)
    return FoundNode(node: FaultyNode(found.node, fault), attributes: found.attributes)
  }

  func prepare(
    _ object: NewObject, named name: FileName, token: UInt64, for creator: Creator
  ) throws(Errno) -> any PreparedNode {
    try check(.prepare)
    return FaultyPreparedNode(try base.prepare(object, named: name, token: token, for: creator), fault)
  }

  func sweep(token: UInt64) { base.sweep(token: token) }

  func link(_ node: any UnderNode, named name: FileName, caller: Caller) throws(Errno) {
    try check(.link)
    try base.link(Self.base(of: node), named: name, caller: caller)
  }

  func remove(_ name: FileName, directory: Bool, caller: Caller) throws(Errno) {
    try check(.remove)
    try base.remove(name, directory: directory, caller: caller)
  }

  func rename(
    _ name: FileName, to newParent: any UnderNode, named newName: FileName, flags: RenameFlags, caller: Caller
  ) throws(Errno) {
    try check(.rename)
    try base.rename(name, to: Self.base(of: newParent), named: newName, flags: flags, caller: caller)
  }

  func extendedAttribute(_ name: FileName) throws(Errno) -> [UInt8] {
    try check(.extendedAttribute)
    return try base.extendedAttribute(name)
  }

  func extendedAttributeNames() throws(Errno) -> [UInt8] {
    try check(.extendedAttribute)
    return try base.extendedAttributeNames()
  }

  func setExtendedAttribute(
    _ name: FileName, to value: [UInt8], flags: ExtendedAttributeFlags, caller: Caller
  ) throws(Errno) {
    try check(.extendedAttribute)
    try base.setExtendedAttribute(name, to: value, flags: flags, caller: caller)
  }

  func removeExtendedAttribute(_ name: FileName, caller: Caller) throws(Errno) {
    try check(.extendedAttribute)
    try base.removeExtendedAttribute(name, caller: caller)
  }

  func synchronize() throws(Errno) {
    try check(.synchronize)
    try base.synchronize()
  }
}

/// A prepared object whose placing may fail.
private final class FaultyPreparedNode: PreparedNode {
  private let base: any PreparedNode
  private let fault: FaultyFileSystem.Fault

  init(_ base: any PreparedNode, _ fault: @escaping FaultyFileSystem.Fault) {
    self.base = base
    self.fault = fault
  }

  var identity: NodeIdentity? { base.identity }

  func fingerprint() throws(Errno) -> NodeIdentity { try base.fingerprint() }

  func place() throws(Errno) -> CreatedNode {
    if let error = fault(.place) { throw error }
    let made = try base.place()
    return CreatedNode(
      identity: made.identity, attributes: made.attributes, node: made.node.map { FaultyNode($0, fault) },
      file: made.file.map { FaultyFile($0, fault) })
  }
}

/// An open file whose calls may fail.
final class FaultyFile: OpenFile {
  private let base: any OpenFile
  private let fault: FaultyFileSystem.Fault

  init(_ base: any OpenFile, _ fault: @escaping FaultyFileSystem.Fault) {
    self.base = base
    self.fault = fault
  }

  private func check(_ call: UnderFileSystemCall) throws(Errno) {
    if let error = fault(call) { throw error }
  }

  var access: FileAccess { base.access }

  func attributes() throws(Errno) -> Attributes {
    try check(.attributes)
    return try base.attributes()
  }

  func read(into buffer: inout MutableRawSpan, at offset: Int64) throws(Errno) -> Int {
    try check(.read)
    return try base.read(into: &buffer, at: offset)
  }

  func write(_ bytes: RawSpan, at offset: Int64, durability: WriteDurability) throws(Errno) -> Int {
    try check(.write)
    return try base.write(bytes, at: offset, durability: durability)
  }

  func truncate(to size: Int64) throws(Errno) {
    try check(.truncate)
    try base.truncate(to: size)
  }

  func allocate(mode: Int32, offset: Int64, length: Int64) throws(Errno) {
    try check(.allocate)
    try base.allocate(mode: mode, offset: offset, length: length)
  }

  func seek(to offset: Int64, whence: Int32) throws(Errno) -> Int64 {
    try check(.seek)
    return try base.seek(to: offset, whence: whence)
  }

  func copy(
    from source: any OpenFile, at sourceOffset: Int64, to offset: Int64, length: Int
  ) throws(Errno) -> Int {
    try check(.copy)
    let source = (source as? FaultyFile)?.base ?? source
    return try base.copy(from: source, at: sourceOffset, to: offset, length: length)
  }

  func synchronize() throws(Errno) {
    try check(.synchronize)
    try base.synchronize()
  }

  func flush() throws(Errno) {
    try check(.flush)
    try base.flush()
  }

  func changeMode(_ mode: UInt32) throws(Errno) {
    try check(.setAttributes)
    try base.changeMode(mode)
  }
}
