internal import CLinux
import Glibc

/// Program text that only the start of a process needs.
package enum StartupText {
  /// Gives back the pages of program text that the start has touched and serving does not: several megabytes, as the
  /// kernel maps sixteen pages around each that is used. What is needed comes back from the page cache. Once, when serving
  /// has begun; it changes nothing but what is resident.
  package static func release() {
    guard let maps = try? WholeFile.text("/proc/self/maps") else { return }
    for line in maps.split(separator: "\n") {
      // 55d0c0a00000-55d0c1200000 r-xp 00000000 08:01 1234   /path
      let fields = line.split(separator: " ", omittingEmptySubsequences: true)
      guard fields.count >= 6, fields[5].hasPrefix("/") else { continue }
      // Text, and the segment with the ELF header, symbols and relocations. Other read-only data may have been relocated.
      guard fields[1] == "r-xp" || (fields[1] == "r--p" && fields[2] == "00000000") else { continue }
      let ends = fields[0].split(separator: "-").compactMap { UInt($0, radix: 16) }
      guard ends.count == 2, let start = UnsafeMutableRawPointer(bitPattern: ends[0]) else { continue }
      // SAFETY: the mapping is of a file, private, never written to: the kernel reads its pages again when they are used.
      madvise(start, Int(ends[1] - ends[0]), CInt(MADV_DONTNEED))
    }
  }
}
