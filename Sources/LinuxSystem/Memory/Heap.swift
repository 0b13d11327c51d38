internal import CLinux

/// The heap of the process. mallopt(3).
package enum Heap {
  /// Keeps malloc to so many arenas instead of one per thread. Before the first thread is made: threads that come and go
  /// would get an arena each, and arenas return nothing. For processes whose allocations are small and short-lived.
  package static func limitArenas(to count: Int32) { clinux_limit_malloc_arenas(count) }
}
