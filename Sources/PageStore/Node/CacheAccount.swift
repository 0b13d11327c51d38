package import LinuxSystem
package import SystemPackage

/// A memfd by which the plugin tells a worker what it may keep and the worker tells what it keeps and wants. Either side
/// may write anything into it: what one reads from it the other has chosen.
package final class CacheAccount: Sendable {
  /// Of the memfd, in bytes.
  package static let size = 4096
  // The plugin writes the first line, the worker the second.
  private static let allowanceOffset = 0
  private static let usedOffset = 64
  private static let wantedOffset = 72

  private let memory: SharedMemory

  /// Makes the memfd of a worker with nothing allowed yet; for the plugin.
  package static func create() throws(Errno) -> Descriptor {
    try Memfd.create(name: "page-account", byteCount: size, sealing: [.shrink, .grow, .seal])
  }

  /// - Throws: EPERM for a memfd that could shrink, EINVAL for one that is too small.
  package init(_ memfd: borrowing Descriptor) throws(Errno) {
    memory = try SharedMemory(mapping: memfd)
    guard memory.byteCount >= Self.size else { throw .invalidArgument }
  }

  /// What the worker may keep, in bytes.
  package var allowance: Int64 { Int64(clamping: memory.loadRelaxed64(at: Self.allowanceOffset)) }
  /// For the plugin.
  package func allow(_ bytes: Int64) { memory.storeRelaxed64(UInt64(clamping: bytes), at: Self.allowanceOffset) }

  /// What the worker says that it keeps.
  package var used: Int64 { Int64(clamping: memory.loadRelaxed64(at: Self.usedOffset)) }
  /// For the worker.
  package func report(used bytes: Int64) { memory.storeRelaxed64(UInt64(clamping: bytes), at: Self.usedOffset) }

  /// What the worker says that it would keep.
  package var wanted: Int64 { Int64(clamping: memory.loadRelaxed64(at: Self.wantedOffset)) }
  /// For the worker.
  package func report(wanted bytes: Int64) { memory.storeRelaxed64(UInt64(clamping: bytes), at: Self.wantedOffset) }
}
