import CFuse
import Glibc
import LinuxSystem

/// The heap of a process that serves.
package enum SessionMemory {
  /// Keeps malloc to one arena. Before the first thread is made: reader threads come and go, each would get an arena of its
  /// own, and arenas return nothing. Requests are small and short-lived, so threads seldom meet at the one.
  package static func limitArenas() { cfuse_limit_malloc_arenas(1) }

  /// Gives back the pages of program text that the start has touched and serving does not, several megabytes per worker.
  /// What is needed comes back from the page cache. Once, when serving has begun.
  package static func releaseStartupText() {
    guard let maps = try? WholeFile.text("/proc/self/maps") else { return }
    for line in maps.split(separator: "\n") {
      // 55d0c0a00000-55d0c1200000 r-xp 00000000 08:01 1234   /path. Only text: read-only data may hold relocations.
      let fields = line.split(separator: " ", omittingEmptySubsequences: true)
      guard fields.count >= 6, fields[1] == "r-xp", fields[5].hasPrefix("/") else { continue }
      let ends = fields[0].split(separator: "-").compactMap { UInt($0, radix: 16) }
      guard ends.count == 2, let start = UnsafeMutableRawPointer(bitPattern: ends[0]) else { continue }
      // SAFETY: the mapping is of a file, private, never written to: the kernel reads its pages again when they are used.
      madvise(start, Int(ends[1] - ends[0]), CInt(MADV_DONTNEED))
    }
  }
}
