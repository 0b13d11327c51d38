import Glibc
import LinuxSystem
import Synchronization
import SystemPackage
import UnderFileSystem
import VolumeFileSystem
import VolumeModel

/// A volume over a file system in memory whose calls fail when the test says so.
final class VolumeInMemory: Sendable {
  /// The file system beneath, for changes that somebody else makes.
  let base = InMemoryFileSystem()
  let files: VolumeFileSystem
  private let faults = Faults()

  init(options: WorkerOptions = WorkerOptions(), maxNodes: UInt32 = 1 << 10, descriptorLimit: Int? = nil) throws {
    let state = try Memfd.create(name: "volume-test", byteCount: SharedStateLayout.size(maxNodes: maxNodes))
    try state.writeAll(SharedStateLayout.header(maxNodes: maxNodes, initRequest: [1], initReply: [2]) ?? [])
    try Memfd.seal(state, .shrink)
    let faults = faults
    files = try VolumeFileSystem(
      underFileSystem: FaultyFileSystem(base) { faults.ask($0) }, state: try SharedState(descriptor: state),
      options: options, descriptorLimit: descriptorLimit)
  }

  /// From now on calls for which `fault` has an error fail with it.
  func fail(_ fault: @escaping @Sendable (UnderFileSystemCall) -> Errno?) { faults.set(fault) }
  /// From now on calls of this kind fail with `error`.
  func fail(_ call: UnderFileSystemCall, _ error: Errno) { fail { $0 == call ? error : nil } }
  /// From now on nothing fails.
  func heal() { faults.set { _ in nil } }

  /// Runs `body` with calls of one kind failing.
  @discardableResult
  func failing<R>(_ call: UnderFileSystemCall, _ error: Errno, _ body: () throws -> R) rethrows -> R {
    fail(call, error)
    defer { heal() }
    return try body()
  }

  private final class Faults: Sendable {
    private let current = Mutex<@Sendable (UnderFileSystemCall) -> Errno?>({ _ in nil })
    func set(_ fault: @escaping @Sendable (UnderFileSystemCall) -> Errno?) { current.withLock { $0 = fault } }
    func ask(_ call: UnderFileSystemCall) -> Errno? { current.withLock { $0 }(call) }
  }
}
