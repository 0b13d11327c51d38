import Glibc
import LinuxSystem
import ObjectStore
import Synchronization
import SystemPackage
import TestSupport
import UnderFileSystem
import VolumeFileSystem
import VolumeModel

/// A volume over a bucket, with what its mounter would hold and what would lie on the node's disk.
final class ObjectReferenceVolume: Sendable {
  private let bucket: any ObjectBucket
  private let prefix: String
  private let spools: TemporaryDirectory
  private let limits: SpoolLimits
  /// Nanoseconds for which names and attributes are believed.
  private let timeout: UInt64
  private let state: Descriptor
  let memory: SharedMemory
  private let current: Mutex<VolumeFileSystem?>

  /// - Parameter prefix: below which nothing is.
  init(_ bucket: any ObjectBucket, prefix: String, limits: SpoolLimits = SpoolLimits(), timeout: UInt64) throws {
    self.bucket = bucket
    self.prefix = prefix
    self.limits = limits
    self.timeout = timeout
    spools = try TemporaryDirectory("spools")
    state = try Memfd.create(name: "volume-test", byteCount: SharedStateLayout.size(maxNodes: 1 << 12))
    try state.writeAll(SharedStateLayout.header(maxNodes: 1 << 12, initRequest: [1], initReply: [2]) ?? [])
    try Memfd.seal(state, .shrink)
    memory = try SharedMemory(mapping: state)
    current = Mutex(nil)
    try restart()
  }

  private func makeFileSystem() throws(Errno) -> ObjectFileSystem {
    var options = ObjectFileSystemOptions(directoryTime: 0)
    (options.entryTimeout, options.attributeTimeout) = (timeout, timeout)
    let folder = SharedDescriptor(try Descriptor.open(spools.path, O_RDONLY | O_DIRECTORY))
    return ObjectFileSystem(
      bucket: bucket, prefix: prefix.utf8, options: options, spools: SpoolFolder(folder, limits: limits))
  }

  /// Files that are in spools.
  var spoolCount: Int {
    get throws { try DirectoryNames.list(spools.path).count { $0.hasSuffix(".data") } }
  }

  /// Where the bucket is not what the model says.
  func difference(from model: ReferenceModel) throws -> String? {
    var expected: [String: [UInt8]] = [:]
    var left: [(node: Int, path: String)] = [(0, prefix)]
    while let (node, path) = left.popLast() {
      for (name, child) in model.nodes[node].children {
        if model.nodes[child].kind == .directory {
          expected["\(path)/\(name)/"] = []
          left.append((child, "\(path)/\(name)"))
        } else {
          expected["\(path)/\(name)"] = model.nodes[child].content
        }
      }
    }
    var request = ListRequest(prefix: ObjectKey(prefix + "/"))
    request.isDelimited = false
    var found: [String] = []
    repeat {
      let page = try bucket.list(request)
      found += page.objects.map(\.key.description)
      request.continuation = page.continuation
    } while request.continuation != nil
    if found != expected.keys.sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) }) {
      return "the bucket has \(found) instead of \(expected.keys.sorted())"
    }
    for (key, content) in expected where key.last != "/" {
      var node = try base().root
      for name in key.split(separator: "/").dropFirst() { node = try node.lookup(FileName(bytes: name.utf8)).node }
      var bytes = [UInt8](repeating: 0, count: content.count + 1)
      var span = bytes.mutableSpan
      var raw = span.mutableBytes
      let count = try node.open(.read, caller: rootCaller).read(into: &raw, at: 0)
      if Array(bytes.prefix(count)) != content { return "\(key) has other content" }
    }
    let files = try DirectoryNames.list(spools.path).filter { $0 != "stamps.log" }
    return files.isEmpty ? nil : "\(files) is left on the disk"
  }
}

extension ObjectReferenceVolume: Mortal {
  var files: VolumeFileSystem {
    guard let files = current.withLock({ $0 }) else { preconditionFailure("no worker was started") }
    return files
  }

  func base() throws(Errno) -> any UnderFileSystem { try makeFileSystem() }

  func restart() throws(Errno) {
    let fileSystem = try makeFileSystem()
    try fileSystem.adoptSpools(isSameMount: true)
    let next = try VolumeFileSystem(
      underFileSystem: fileSystem, state: try SharedState(descriptor: state), options: WorkerOptions())
    current.withLock { $0 = next }
  }

  func died() {}
}
