extension BlockingThreads {
  /// Runs `body` on one of the threads; nobody waits for it here. For event loops, which are told by what `body` does last.
  /// - Throws: `TooManyAbandoned` when the pool accepts no more.
  package func start(_ body: @escaping @Sendable () -> Void) throws(TooManyAbandoned) {
    try submit(Job(body))
  }
}
