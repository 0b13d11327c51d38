import CFuse

/// The heap of a process that serves.
package enum SessionMemory {
  /// Keeps malloc to one arena. Before the first thread is made: reader threads come and go, each would get an arena of its
  /// own, and arenas return nothing. Requests are small and short-lived, so threads seldom meet at the one.
  package static func limitArenas() { cfuse_limit_malloc_arenas(1) }
}
