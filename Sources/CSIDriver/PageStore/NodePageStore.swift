internal import LinuxSystem
internal import PageStore
internal import Synchronization
internal import SystemPackage

/// What the plugin knows of the node's page store between two looks at it. Folders in use are measured now and then, since
/// their workers say what they keep; idle ones once, since nobody changes them.
final class NodePageStore: Sendable {
  /// A folder in use is measured in every so many rounds.
  private static let roundsBetweenMeasures = 30

  let folders: PageStoreFolders
  private let budget: UInt64?

  private struct State {
    var idle: [String: PageStoreDivision.Idle] = [:]
    var round = 0
  }
  private let state = Mutex(State())

  /// - Parameter budget: in bytes; nil: a quarter of the file system.
  init(path: String, budget: UInt64?) {
    folders = PageStoreFolders(path: path)
    self.budget = budget
  }

  /// A folder whose workers have targets: one worker, or those of several volumes that share it.
  struct Worker: Sendable {
    var name: String
    var quota: UInt64
    var accounts: [CacheAccount]
    /// Not where one has none (of an older version): it is held to its quota by measuring.
    var haveAllAccounts = true
  }

  /// Looks at every folder. Blocks.
  func divide(among workers: [Worker]) throws(Errno) -> PageStoreDivision {
    let names = try folders.names()
    let inUse = Set(workers.map(\.name))
    let (known, isMeasuring) = state.withLock { state in
      state.round += 1
      state.idle = state.idle.filter { names.contains($0.key) && !inUse.contains($0.key) }
      return (state.idle, state.round % Self.roundsBetweenMeasures == 1)
    }
    var idle: [PageStoreDivision.Idle] = []
    for name in names where !inUse.contains(name) {
      if let folder = known[name] {
        idle.append(folder)
      } else {
        // What cannot be measured is not the mounter's: it is neither counted nor touched.
        guard let bytes = try? folders.measure(name), let lastUse = try? folders.lastUse(name) else { continue }
        let folder = PageStoreDivision.Idle(name: name, bytes: bytes, lastUse: lastUse)
        state.withLock { $0.idle[name] = folder }
        idle.append(folder)
      }
    }
    var used: [PageStoreDivision.Used] = []
    for worker in workers {
      let measured = isMeasuring || !worker.haveAllAccounts ? try folders.measure(worker.name) : nil
      let said = worker.accounts.map(\.used).max() ?? 0
      let wanted = worker.haveAllAccounts ? worker.accounts.map(\.wanted).max() ?? .max : .max
      used.append(
        PageStoreDivision.Used(
          name: worker.name, quota: Int64(clamping: worker.quota), wanted: wanted,
          bytes: measured ?? said, isMeasured: measured != nil))
    }
    let total = if let budget { budget } else { try folders.defaultBudget() }
    return PageStoreDivision(total: Int64(clamping: total), used: used, idle: idle)
  }

  /// Whoever shrank or removed a folder says so.
  func forget(_ name: String) { state.withLock { $0.idle[name] = nil } }
}
