import SystemPackage
import UnderFileSystem

/// What a file system is, as simply as it can be said: the reference that random operations are checked against.
struct ReferenceModel {
  enum Kind: Hashable { case file, directory, symlink }

  struct Node {
    var kind: Kind
    var content: [UInt8] = []
    var children: [FileName: Int] = [:]
    var parent = 0
    var links = 0
    /// Directories: removed. Nothing can be made in it any more.
    var isRemoved = false
  }

  private(set) var nodes: [Node] = [Node(kind: .directory, links: 1)]

  func child(_ name: FileName, of directory: Int) throws(Errno) -> Int {
    guard nodes[directory].kind == .directory else { throw .notDirectory }
    guard let child = nodes[directory].children[name] else { throw .noSuchFileOrDirectory }
    return child
  }

  func checkNew(_ name: FileName, in directory: Int) throws(Errno) {
    guard nodes[directory].kind == .directory else { throw .notDirectory }
    if nodes[directory].isRemoved { throw .noSuchFileOrDirectory }
    if nodes[directory].children[name] != nil { throw .fileExists }
  }

  mutating func make(_ kind: Kind, _ name: FileName, in directory: Int, content: [UInt8] = []) throws(Errno) -> Int {
    try checkNew(name, in: directory)
    nodes.append(Node(kind: kind, content: content, parent: directory, links: 1))
    nodes[directory].children[name] = nodes.count - 1
    return nodes.count - 1
  }

  mutating func link(_ node: Int, _ name: FileName, in directory: Int) throws(Errno) {
    try checkNew(name, in: directory)
    if nodes[node].kind == .directory { throw .notPermitted }
    nodes[directory].children[name] = node
    nodes[node].links += 1
  }

  mutating func remove(_ name: FileName, in directory: Int, wantsDirectory: Bool) throws(Errno) {
    let victim = try child(name, of: directory)
    if wantsDirectory {
      guard nodes[victim].kind == .directory else { throw .notDirectory }
      guard nodes[victim].children.isEmpty else { throw .directoryNotEmpty }
    } else if nodes[victim].kind == .directory {
      throw .isDirectory
    }
    drop(name, in: directory)
  }

  private mutating func drop(_ name: FileName, in directory: Int) {
    guard let victim = nodes[directory].children.removeValue(forKey: name) else { return }
    nodes[victim].links -= 1
    if nodes[victim].kind == .directory { nodes[victim].isRemoved = true }
  }

  func isWithin(_ node: Int, _ ancestor: Int) -> Bool {
    var step = node
    while step != ancestor {
      if step == 0 { return false }
      step = nodes[step].parent
    }
    return true
  }

  mutating func rename(
    _ name: FileName, in directory: Int, to newName: FileName, in newDirectory: Int, flags: RenameFlags
  ) throws(Errno) {
    let source = try child(name, of: directory)
    if nodes[newDirectory].isRemoved { throw .noSuchFileOrDirectory }
    let target = nodes[newDirectory].children[newName]
    if flags.contains(.noReplace), target != nil { throw .fileExists }
    if flags.contains(.exchange), target == nil { throw .noSuchFileOrDirectory }
    if nodes[source].kind == .directory, isWithin(newDirectory, source) { throw .invalidArgument }
    if let target {
      if isWithin(directory, target) {
        throw flags.contains(.exchange) ? .invalidArgument : .directoryNotEmpty
      }
      if source == target { return }
      if flags.contains(.exchange) {
        nodes[directory].children[name] = target
        nodes[newDirectory].children[newName] = source
        nodes[target].parent = directory
        nodes[source].parent = newDirectory
        return
      }
      let isDirectory = nodes[source].kind == .directory
      if isDirectory, nodes[target].kind != .directory { throw .notDirectory }
      if !isDirectory, nodes[target].kind == .directory { throw .isDirectory }
      if isDirectory, !nodes[target].children.isEmpty { throw .directoryNotEmpty }
      drop(newName, in: newDirectory)
    }
    nodes[directory].children[name] = nil
    nodes[newDirectory].children[newName] = source
    nodes[source].parent = newDirectory
  }

  mutating func write(_ bytes: [UInt8], to node: Int, at offset: Int) {
    let missing = offset + bytes.count - nodes[node].content.count
    if missing > 0 { nodes[node].content += [UInt8](repeating: 0, count: missing) }
    nodes[node].content.replaceSubrange(offset..<offset + bytes.count, with: bytes)
  }

  mutating func truncate(_ node: Int, to size: Int) {
    let content = nodes[node].content
    nodes[node].content =
      size <= content.count ? Array(content.prefix(size)) : content + [UInt8](repeating: 0, count: size - content.count)
  }
}
