import Glibc
import LinuxSystem
import Synchronization
import SystemPackage
import TestSupport
import UnderFileSystem
import VolumeFileSystem
import VolumeModel

/// A volume over a temporary directory, with the shared state that a mounter would hold.
final class Volume: Sendable {
  let directory: TemporaryDirectory
  let state: Descriptor
  let options: WorkerOptions
  let useHandles: Bool
  let descriptorLimit: Int?
  let memory: SharedMemory
  let custody = Custody()
  let passthrough: PassthroughPolicy
  private let current: Mutex<VolumeFileSystem>

  var files: VolumeFileSystem { current.withLock { $0 } }

  init(
    options: WorkerOptions = WorkerOptions(), useHandles: Bool = true, descriptorLimit: Int? = nil,
    maxNodes: UInt32 = 1 << 17, beneath parent: String? = nil,
    passthrough: PassthroughPolicy = PassthroughPolicy(registry: nil)
  ) throws {
    directory = try TemporaryDirectory("volume", beneath: parent)
    let root = try Descriptor.open(directory.path, O_RDONLY | O_DIRECTORY)
    try root.changeMode(0o777)
    state = try Memfd.create(name: "volume-test", byteCount: SharedStateLayout.size(maxNodes: maxNodes))
    let header = SharedStateLayout.header(maxNodes: maxNodes, initRequest: [1, 2, 3], initReply: [4])
    try state.writeAll(header ?? [])
    try Memfd.seal(state, .shrink)
    memory = try SharedMemory(mapping: state)
    self.options = options
    self.useHandles = useHandles
    self.descriptorLimit = descriptorLimit
    self.passthrough = passthrough
    current = Mutex(
      try Self.serve(
        directory.path, state, options, custody, passthrough, useHandles: useHandles, descriptorLimit: descriptorLimit))
  }

  private static func serve(
    _ path: String, _ state: borrowing Descriptor, _ options: WorkerOptions, _ custody: Custody,
    _ passthrough: PassthroughPolicy, useHandles: Bool, descriptorLimit: Int?
  ) throws(Errno) -> VolumeFileSystem {
    let root = try Descriptor.open(path, O_RDONLY | O_DIRECTORY)
    return try VolumeFileSystem(
      underFileSystem: try LocalFileSystem(root: root, useHandles: useHandles),
      state: try SharedState(descriptor: state), options: options, custody: custody,
      passthrough: passthrough, descriptorLimit: descriptorLimit)
  }

  /// Another worker takes over: a fresh process as far as the file system can tell.
  func restart() throws(Errno) {
    let next = try Self.serve(
      directory.path, state, options, custody, passthrough, useHandles: useHandles, descriptorLimit: descriptorLimit)
    current.withLock { $0 = next }
  }

  /// Writes into the node's slot what another worker may have left there.
  func setOpens(_ node: NodeID, _ opens: UInt32, backing: Int32) {
    let slot = SharedStateLayout.nodesOffset + Int(node - 1) * SharedStateLayout.slotSize
    memory.store(opens, at: slot + 48)
    memory.store(backing, at: slot + 80)
  }

  func path(_ name: String) -> String { directory.appending(name) }
}

extension Volume: Mortal {
  func base() throws(Errno) -> any UnderFileSystem {
    try LocalFileSystem(root: try Descriptor.open(directory.path, O_RDONLY | O_DIRECTORY), useHandles: useHandles)
  }

  func died() {}
}

let rootNode: NodeID = 1
let rootCaller = Caller(uid: 0, gid: 0, pid: 0, umask: 0o022)
func caller(_ uid: UInt32, _ gid: UInt32, umask: UInt32 = 0o022, pid: Int32 = 0) -> Caller {
  Caller(uid: uid, gid: gid, pid: pid, umask: umask)
}

extension VolumeFileSystem {
  /// Makes a file with content and closes it. - Returns: its entry, one lookup counted.
  @discardableResult
  func makeFile(
    _ name: FileName, in parent: NodeID = rootNode, _ content: [UInt8] = [], mode: UInt32 = 0o644,
    caller: Caller = rootCaller
  ) throws(Errno) -> Entry {
    let (entry, open) = try create(name, in: parent, mode: mode, flags: O_RDWR | O_EXCL, caller: caller)
    if !content.isEmpty { _ = try write(entry.node, open.handle, content) }
    release(entry.node, handle: open.handle)
    return entry
  }

  func write(_ node: NodeID, _ handle: HandleID, _ content: [UInt8], at offset: Int64 = 0) throws(Errno) -> Int {
    try write(node, handle: handle, content.span.bytes, at: offset)
  }

  func read(_ node: NodeID, _ handle: HandleID, _ count: Int, at offset: Int64 = 0) throws(Errno) -> [UInt8] {
    var bytes = [UInt8](repeating: 0xEE, count: count)
    var span = bytes.mutableSpan
    var raw = span.mutableBytes
    let got = try read(node, handle: handle, into: &raw, at: offset)
    return Array(bytes.prefix(got))
  }

  /// Opens, reads all (up to 1 MiB) and closes.
  func content(_ node: NodeID) throws(Errno) -> [UInt8] {
    let open = try open(node, flags: O_RDONLY, caller: rootCaller)
    defer { release(node, handle: open.handle) }
    return try read(node, open.handle, 1 << 20)
  }

  /// Names in a directory, without `.` and `..`, in pages of `page` entries.
  func names(_ node: NodeID = rootNode, page: Int = 1000) throws(Errno) -> [FileName] {
    var names: [FileName] = []
    var cookie: UInt64 = 0
    let open = try openDirectory(node, flags: O_RDONLY)
    defer { releaseDirectory(node, handle: open.handle) }
    while true {
      var taken = 0
      try readDirectory(node, handle: open.handle, from: cookie) { (name, _, _, next) throws(Errno) in
        if taken == page { return false }
        taken += 1
        cookie = next
        var bytes: [UInt8] = []
        for index in 0..<name.count - 1 { bytes.append(name[index]) }
        if bytes != [0x2E], bytes != [0x2E, 0x2E] { names.append(FileName(bytes: bytes)) }
        return true
      }
      if taken == 0 { return names }
    }
  }

  func exists(_ name: FileName, in parent: NodeID = rootNode) throws(Errno) -> Bool {
    do throws(Errno) {
      forget(try lookup(name, in: parent).node, 1)
      return true
    } catch {
      if error == .noSuchFileOrDirectory { return false }
      throw error
    }
  }
}
