import Glibc
package import SystemPackage

/// Private memory of this process: address space at first, pages as they are written. mmap(2). Every access is checked
/// against its bounds.
///
/// Threads may use different ranges at a time; who may use which when is the caller's protocol.
@safe package final class AnonymousMemory: @unchecked Sendable {
  // SAFETY (Sendable): neither changes, and the memory is unmapped only in `deinit`.
  private let base: UnsafeMutableRawPointer
  /// Of address space.
  package let byteCount: Int

  /// - Throws: ENOMEM.
  package init(byteCount: Int) throws(Errno) {
    guard byteCount > 0 else { throw .invalidArgument }
    let flags = MAP_PRIVATE | MAP_ANONYMOUS | CInt(MAP_NORESERVE)
    guard let base = mmap(nil, byteCount, PROT_READ | PROT_WRITE, flags, -1, 0), base != MAP_FAILED else {
      throw Errno(rawValue: errno)
    }
    self.base = base
    self.byteCount = byteCount
  }

  deinit { munmap(base, byteCount) }

  private func check(_ offset: Int, _ count: Int) {
    precondition(
      offset >= 0 && count >= 0 && offset <= byteCount && count <= byteCount - offset,
      "memory is accessed out of its bounds")
  }

  /// Copies all of `source` to `offset`.
  package func write(_ source: RawSpan, at offset: Int) {
    check(offset, source.byteCount)
    source.withUnsafeBytes { bytes in
      guard let start = bytes.baseAddress else { return }
      (base + offset).copyMemory(from: start, byteCount: bytes.count)
    }
  }

  /// Copies all of `source` to `offset`.
  package func write(_ source: [UInt8], at offset: Int) {
    source.withUnsafeBytes { bytes in write(bytes.bytes, at: offset) }
  }

  /// Fills `range` of `target` from `offset` on.
  package func read(into target: inout MutableRawSpan, range: Range<Int>, at offset: Int) {
    check(offset, range.count)
    precondition(range.lowerBound >= 0 && range.upperBound <= target.byteCount, "a buffer is filled beyond its end")
    target.withUnsafeMutableBytes { bytes in
      guard let start = bytes.baseAddress else { return }
      (start + range.lowerBound).copyMemory(from: base + offset, byteCount: range.count)
    }
  }

  /// Lends a part of it; nobody may write there meanwhile.
  package func withBytes<Value>(at offset: Int, count: Int, _ body: (RawSpan) -> Value) -> Value {
    check(offset, count)
    return body(UnsafeRawBufferPointer(start: base + offset, count: count).bytes)
  }

  /// Gives the pages of a range back to the kernel: zeros when they are read again. Both numbers are multiples of the
  /// page size. madvise(2), MADV_DONTNEED.
  package func discard(at offset: Int, count: Int) {
    check(offset, count)
    madvise(base + offset, count, MADV_DONTNEED)
  }

  /// Pages of it that are in memory, in bytes. mincore(2); for tests and measurements.
  package func residentBytes() throws(Errno) -> Int {
    let pageSize = sysconf(CInt(_SC_PAGESIZE))
    var pages = [UInt8](repeating: 0, count: (byteCount + pageSize - 1) / pageSize)
    let result = mincore(base, byteCount, &pages)
    guard result == 0 else { throw Errno(rawValue: errno) }
    return pages.reduce(0) { $0 + Int($1 & 1) } * pageSize
  }
}

extension MutableRawSpan {
  /// Lends a part of the buffer as one of its own.
  package mutating func withPart<Value>(
    _ range: Range<Int>, _ body: (inout MutableRawSpan) throws(Errno) -> Value
  ) throws(Errno) -> Value {
    precondition(range.lowerBound >= 0 && range.upperBound <= byteCount, "a part of a buffer lies beyond its end")
    return try withUnsafeMutableBytes { bytes -> Result<Value, Errno> in
      // SAFETY: the range was checked, and the part ends with the call.
      var part = UnsafeMutableRawBufferPointer(rebasing: bytes[range]).mutableBytes
      do throws(Errno) { return .success(try body(&part)) } catch { return .failure(error) }
    }.get()
  }
}
