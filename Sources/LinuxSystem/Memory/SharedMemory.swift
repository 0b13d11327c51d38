internal import CLinux
import Glibc
package import Synchronization
package import SystemPackage

/// A shared mapping that several processes or threads read and write. Every access is checked against its bounds.
///
/// Plain loads and stores are not ordered against other processes: publish with the atomic accessors
/// (`SharedMemory+Atomic.swift`). Bytes that another process may write are untrusted input: read them once, then check.
@safe package final class SharedMemory: @unchecked Sendable {
  // SAFETY (Sendable): `base` never changes, is unmapped only in `deinit`, and every access is within `byteCount`,
  // which only grows. What concurrent writers do to the bytes is the caller's protocol, as between processes.
  @usableFromInline let base: UnsafeMutableRawPointer
  /// Mapped address space, in bytes; a memfd may be smaller until it has grown.
  package let capacity: Int
  @usableFromInline let accessible: Atomic<Int>

  /// Bytes that can be accessed.
  @inlinable package var byteCount: Int { accessible.load(ordering: .relaxed) }

  /// Memory of this process and its threads only, zeroed, faulted in at once and skipped by the OOM reaper: for buffers
  /// that the kernel copies requests into.
  package init(anonymousByteCount byteCount: Int) throws(Errno) {
    base = try Self.map(byteCount, MAP_SHARED | MAP_ANONYMOUS | CInt(MAP_POPULATE), descriptor: -1, writable: true)
    capacity = byteCount
    accessible = Atomic(byteCount)
  }

  /// Maps a memfd. The mapping stays when the descriptor is closed.
  /// - Parameters:
  ///   - capacity: address space to reserve for growth, in bytes; nil: as large as the memfd is now.
  ///   - populate: fault all present pages in now.
  /// - Throws: EPERM when the memfd is not sealed against shrinking, as accesses could then end in SIGBUS; EINVAL when it
  ///   is empty or larger than `capacity`.
  package init(
    mapping descriptor: borrowing Descriptor, capacity: Int? = nil, writable: Bool = true, populate: Bool = false
  ) throws(Errno) {
    guard try Memfd.seals(of: descriptor).contains(.shrink) else { throw Errno.notPermitted }
    let byteCount = try Memfd.byteCount(of: descriptor)
    let capacity = capacity ?? byteCount
    guard byteCount > 0, byteCount <= capacity else { throw Errno.invalidArgument }
    let flags = MAP_SHARED | (populate ? CInt(MAP_POPULATE) : 0)
    base = try Self.map(capacity, flags, descriptor: descriptor.rawValue, writable: writable)
    self.capacity = capacity
    accessible = Atomic(byteCount)
    isWritable = writable
  }

  @usableFromInline var isWritable = true

  deinit { munmap(base, capacity) }

  private static func map(
    _ count: Int, _ flags: CInt, descriptor: CInt, writable: Bool
  ) throws(Errno) -> UnsafeMutableRawPointer {
    guard count > 0 else { throw Errno.invalidArgument }
    let protection = writable ? PROT_READ | PROT_WRITE : PROT_READ
    guard let base = mmap(nil, count, protection, flags, descriptor, 0), base != MAP_FAILED else {
      throw Errno(rawValue: errno)
    }
    return base
  }

  /// Grows the memfd, if it is smaller, and makes its first `byteCount` bytes accessible. Never shrinks.
  /// - Throws: ENOMEM beyond `capacity`, EPERM when the memfd is sealed against growing.
  package func grow(_ descriptor: borrowing Descriptor, to byteCount: Int) throws(Errno) {
    guard byteCount <= capacity else { throw Errno.noMemory }
    if try Memfd.byteCount(of: descriptor) < byteCount { try Memfd.resize(descriptor, to: byteCount) }
    accessible.max(byteCount, ordering: .acquiringAndReleasing)
  }

  /// Makes accessible what another process has added to the memfd, up to `capacity`.
  package func followGrowth(of descriptor: borrowing Descriptor) throws(Errno) {
    let present = min(try Memfd.byteCount(of: descriptor), capacity)
    accessible.max(present, ordering: .acquiringAndReleasing)
  }

  /// Whether `count` bytes at `offset` can be accessed: for offsets that come from untrusted memory.
  @inlinable package func contains(offset: Int, count: Int) -> Bool {
    offset >= 0 && count >= 0 && offset <= byteCount && count <= byteCount - offset
  }

  @inlinable @inline(__always) func check(_ offset: Int, _ count: Int) {
    precondition(contains(offset: offset, count: count), "shared memory is accessed out of its bounds")
  }

  /// Reads an integer at any offset, in the machine's byte order.
  @inlinable @inline(__always)
  package func load<T: FixedWidthInteger & BitwiseCopyable>(_ type: T.Type = T.self, at offset: Int) -> T {
    check(offset, MemoryLayout<T>.size)
    return (base + offset).loadUnaligned(as: T.self)
  }

  /// Writes an integer at any offset, in the machine's byte order.
  @inlinable @inline(__always)
  package func store<T: FixedWidthInteger & BitwiseCopyable>(_ value: T, at offset: Int) {
    check(offset, MemoryLayout<T>.size)
    (base + offset).storeBytes(of: value, as: T.self)
  }

  /// A copy of `count` bytes at `offset`.
  package func bytes(at offset: Int, count: Int) -> [UInt8] {
    check(offset, count)
    return Array(UnsafeRawBufferPointer(start: base + offset, count: count))
  }

  /// Fills `target` from `offset` on.
  @inlinable package func read(into target: inout MutableRawSpan, at offset: Int) {
    let count = target.byteCount
    check(offset, count)
    target.withUnsafeMutableBytes { $0.copyMemory(from: UnsafeRawBufferPointer(start: base + offset, count: count)) }
  }

  /// Copies all of `source` to `offset`.
  @inlinable package func write(_ source: RawSpan, at offset: Int) {
    check(offset, source.byteCount)
    source.withUnsafeBytes { bytes in
      guard let start = bytes.baseAddress else { return }
      (base + offset).copyMemory(from: start, byteCount: bytes.count)
    }
  }

  /// Copies all of `source` to `offset`.
  @inlinable package func write(_ source: [UInt8], at offset: Int) {
    check(offset, source.count)
    source.withUnsafeBytes { bytes in
      guard let start = bytes.baseAddress else { return }
      (base + offset).copyMemory(from: start, byteCount: bytes.count)
    }
  }

  /// Sets `count` bytes at `offset` to zero.
  @inlinable package func clear(at offset: Int, count: Int) {
    check(offset, count)
    (base + offset).initializeMemory(as: UInt8.self, repeating: 0, count: count)
  }

  /// The memory itself, for system calls and libfuse. Valid while this object lives; keep the object as long.
  @unsafe package func pointer(at offset: Int, count: Int) -> UnsafeMutableRawBufferPointer {
    check(offset, count)
    return UnsafeMutableRawBufferPointer(start: base + offset, count: count)
  }
}
