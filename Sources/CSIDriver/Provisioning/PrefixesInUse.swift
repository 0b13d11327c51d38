internal import Synchronization
internal import VolumeModel

/// The prefixes that calls work on, those that nobody waits for any more included.
final class PrefixesInUse: Sendable {
  private let prefixes = Mutex<Set<UnderFileSystemURI>>([])

  /// A call's claim to a prefix, until it ends or is dropped.
  final class Hold: Sendable {
    private let owner: PrefixesInUse
    private let prefix: UnderFileSystemURI
    private let isOver = Mutex(false)

    fileprivate init(_ owner: PrefixesInUse, _ prefix: UnderFileSystemURI) {
      self.owner = owner
      self.prefix = prefix
    }

    /// Others may have it.
    func end() {
      let isFirst = isOver.withLock { isOver in
        defer { isOver = true }
        return !isOver
      }
      if isFirst { owner.prefixes.withLock { _ = $0.remove(prefix) } }
    }

    // A call that was never begun.
    deinit { end() }
  }

  /// nil while another call has it.
  func hold(_ prefix: UnderFileSystemURI) -> Hold? {
    prefixes.withLock { $0.insert(prefix).inserted } ? Hold(self, prefix) : nil
  }
}
