import Glibc
import LinuxSystem
import Synchronization
import SystemPackage
import TestSupport
import Testing
import UnderFileSystem

/// An object store's under file system over a bucket in memory, for one test.
struct ObjectVolume {
  let bucket: InMemoryBucket
  let ufs: ObjectFileSystem
  let log = CollectedLog()
  let folder: TemporaryDirectory?

  static let hour: UInt64 = 3_600_000_000_000
  static let mountTime: Int64 = 1_700_000_000_000_000_000

  /// - Parameters:
  ///   - timeout: nanoseconds for which names and attributes are believed.
  init(
    _ bucket: InMemoryBucket = InMemoryBucket(), prefix: String = "data", timeout: UInt64 = hour,
    _ change: (inout ObjectFileSystemOptions) -> Void = { _ in }
  ) {
    self.init(bucket, prefix: prefix, timeout: timeout, folder: nil, spools: nil, change)
  }

  /// One that can be written to.
  /// - Parameter folder: that a worker before has used; nil: a new one.
  init(
    _ bucket: InMemoryBucket = InMemoryBucket(), timeout: UInt64 = hour, spools limits: SpoolLimits,
    folder: TemporaryDirectory? = nil
  ) throws {
    let folder = try folder ?? TemporaryDirectory("spools")
    let descriptor = SharedDescriptor(try Descriptor.open(folder.path, O_RDONLY | O_DIRECTORY))
    self.init(
      bucket, prefix: "data", timeout: timeout, folder: folder, spools: SpoolFolder(descriptor, limits: limits)
    ) { _ in }
  }

  private init(
    _ bucket: InMemoryBucket, prefix: String, timeout: UInt64, folder: TemporaryDirectory?, spools: SpoolFolder?,
    _ change: (inout ObjectFileSystemOptions) -> Void
  ) {
    self.bucket = bucket
    self.folder = folder
    var options = ObjectFileSystemOptions(directoryTime: Self.mountTime)
    options.entryTimeout = timeout
    options.attributeTimeout = timeout
    change(&options)
    ufs = ObjectFileSystem(bucket: bucket, prefix: prefix.utf8, options: options, spools: spools, log: log)
  }

  var root: any UnderNode { ufs.root }

  /// The node at a path below the root.
  func node(_ path: String) throws(Errno) -> any UnderNode {
    var node = root
    for name in path.split(separator: "/") { node = try node.lookup(FileName(bytes: name.utf8)).node }
    return node
  }

  /// Sorted.
  func names(_ path: String = "") throws(Errno) -> [String] {
    try node(path).names().map(\.description)
  }

  /// What was asked of the bucket meanwhile.
  func requests(_ body: () throws -> Void) throws -> [BucketCall: Int] {
    let before = bucket.requests
    try body()
    return bucket.requests.merging(before) { $0 - $1 }.filter { $0.value != 0 }
  }
}

/// What an under file system logs.
final class CollectedLog: ObjectStoreLog {
  private let state = Mutex<(refused: [String], failed: [String])>(([], []))

  var refused: [String] { state.withLock { $0.refused } }
  var failed: [String] { state.withLock { $0.failed } }

  func refused(_ call: String) { state.withLock { $0.refused.append(call) } }
  func failed(_ call: String, key: String, message: String) {
    state.withLock { $0.failed.append("\(call) of \(key): \(message)") }
  }
}

/// Faults that a test switches on and off.
final class BucketFaults: Sendable {
  private let rule = Mutex<InMemoryBucket.Fault?>(nil)

  func set(_ fault: InMemoryBucket.Fault?) { rule.withLock { $0 = fault } }

  var fault: InMemoryBucket.Fault {
    { [self] call, key, isDone in
      let fault = rule.withLock { $0 }
      return fault?(call, key, isDone)
    }
  }
}

/// Says true once, when it was asked so many times.
final class StepCounter: Sendable {
  private let left: Mutex<Int>

  init(_ steps: Int) { left = Mutex(steps) }

  func isReached() -> Bool {
    left.withLock { left in
      left -= 1
      return left == -1
    }
  }
}
