import Synchronization

/// Where cookies of listings stand: the key behind which the next entry follows. A bounded number; listings that go on at a
/// forgotten cookie read the directory again.
final class ListingPositions: Sendable {
  private struct Positions: Sendable {
    /// By cookie.
    var keys: [UInt64: [UInt8]] = [:]
    var use: UInt64 = 0
  }

  private static let mostDirectories = 64
  private static let mostOfDirectory = 512

  private let state = Mutex<(directories: [PathHash: Positions], clock: UInt64)>(([:], 0))

  func remember(_ cookie: UInt64, _ key: [UInt8], in directory: PathHash) {
    state.withLock { state in
      state.clock += 1
      if state.directories[directory] == nil, state.directories.count >= Self.mostDirectories,
        let stale = state.directories.min(by: { $0.value.use < $1.value.use })
      {
        state.directories[stale.key] = nil
      }
      var positions = state.directories.removeValue(forKey: directory) ?? Positions()
      if positions.keys.count >= Self.mostOfDirectory {
        // Every second one: what is left still leads near to any cookie.
        for (place, cookie) in positions.keys.keys.sorted().enumerated() where place % 2 == 1 {
          positions.keys[cookie] = nil
        }
      }
      positions.keys[cookie] = key
      positions.use = state.clock
      state.directories[directory] = positions
    }
  }

  /// The remembered cookie nearest before `cookie`, or itself.
  func find(_ cookie: UInt64, in directory: PathHash) -> (cookie: UInt64, key: [UInt8])? {
    state.withLock { state in
      guard let keys = state.directories[directory]?.keys else { return nil }
      if let key = keys[cookie] { return (cookie, key) }
      guard let nearest = keys.keys.filter({ $0 < cookie }).max(), let key = keys[nearest] else { return nil }
      return (nearest, key)
    }
  }
}
