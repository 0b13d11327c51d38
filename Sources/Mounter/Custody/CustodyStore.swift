internal import LinuxSystem
internal import Synchronization
internal import VolumeModel

/// The copies that a node plugin keeps: one set of descriptors for each volume, replaced with each change and dropped when
/// the volume is gone.
final class CustodyStore: Sendable {
  private struct State {
    var copies: [WorkerKey: CustodyCopy] = [:]
    /// What the mounter of the present connection has sent.
    var confirmed: Set<WorkerKey> = []
  }

  private let state = Mutex(State())

  /// In no particular order.
  var copies: [CustodyCopy] { state.withLock { Array($0.copies.values) } }

  func descriptor(_ role: DescriptorRole, of key: WorkerKey) -> SharedDescriptor? {
    state.withLock { $0.copies[key]?.descriptors[role] }
  }

  func sharedPages(of key: WorkerKey) -> SharedPages? {
    state.withLock { $0.copies[key]?.volume.status.request.objectStore?.sharedPages }
  }

  /// Closes an earlier copy's descriptors, but those of files that this connection's mounter has sent.
  func keep(_ copy: CustodyCopy) {
    let former = state.withLock { state in
      var copy = copy
      if !state.confirmed.insert(copy.key).inserted { copy.nodes = state.copies[copy.key]?.nodes ?? [:] }
      return state.copies.updateValue(copy, forKey: copy.key)
    }
    withExtendedLifetime(former) {}
  }

  /// - Parameter descriptor: nil where it is needed no more.
  func keep(_ node: UInt64, of key: WorkerKey, _ descriptor: SharedDescriptor?) {
    let former = state.withLock { state in
      let former = state.copies[key]?.nodes[node]
      state.copies[key]?.nodes[node] = descriptor
      return former
    }
    withExtendedLifetime(former) {}
  }

  func drop(_ key: WorkerKey) {
    let former = state.withLock { state in
      state.confirmed.remove(key)
      return state.copies.removeValue(forKey: key)
    }
    withExtendedLifetime(former) {}
  }

  /// A connection begins: nothing that is kept is known to its mounter.
  func beginConnection() { state.withLock { $0.confirmed = [] } }

  /// The mounter has sent a copy of every volume that it has: others are of no use.
  func dropUnconfirmed() {
    let former = state.withLock { state in
      let former = state.copies.filter { !state.confirmed.contains($0.key) }
      for key in former.keys { state.copies[key] = nil }
      return former
    }
    withExtendedLifetime(former) {}
  }
}
