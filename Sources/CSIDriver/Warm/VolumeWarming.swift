package import VolumeModel

/// Who loads a volume's files into the page store of this node after it was mounted. Calls return at once.
package protocol VolumeWarming: Sendable {
  /// Begins, unless it is under way for this worker.
  /// - Parameter path: beneath the volume; empty: all of it.
  func warm(_ key: WorkerKey, path: String)
  /// The worker goes: what is under way for it ends.
  func stop(_ key: WorkerKey)
  /// How much of what is to be loaded is there, from 0 to 100; nil: nothing is under way.
  func percent(of key: WorkerKey) -> Int?
}
