internal import PageStore

/// How the node's page store is divided at one moment (PageStore.md, "Several users on one node"). A value: no clock, no
/// disk.
struct PageStoreDivision: Sendable {
  /// The folder of a worker that has targets on this node.
  struct Used: Sendable, Hashable {
    /// Of the worker key.
    var name: String
    var quota: Int64
    /// What the worker would keep, as it says.
    var wanted: Int64
    /// What lies in its folder, as it says or as it was measured.
    var bytes: Int64
    /// `bytes` was measured, so that a worker can be held to its allowance by it.
    var isMeasured: Bool

    init(name: String, quota: Int64, wanted: Int64, bytes: Int64, isMeasured: Bool) {
      self.name = name
      self.quota = quota
      self.wanted = wanted
      self.bytes = bytes
      self.isMeasured = isMeasured
    }
  }

  /// The folder of a volume that is not mounted on this node now, kept for its next pod.
  struct Idle: Sendable, Hashable {
    var name: String
    var bytes: Int64
    /// Seconds since the epoch.
    var lastUse: Int64

    init(name: String, bytes: Int64, lastUse: Int64) {
      self.name = name
      self.bytes = bytes
      self.lastUse = lastUse
    }
  }

  /// What each worker may keep, by name.
  private(set) var allowances: [String: Int64] = [:]
  /// Folders that nobody uses and that are to shrink, the one that has not been used for longest first. 0: to go.
  private(set) var shrinking: [(name: String, limit: Int64)] = []
  /// Folders of workers that keep more than they may, and what they may.
  private(set) var excesses: [String: Int64] = [:]

  init(total: Int64, used: [Used], idle: [Idle]) {
    let claims = used.map { NodeBudget.Claim(quota: $0.quota, wanted: max($0.wanted, $0.bytes)) }
    var demand: Int64 = 0
    for claim in claims { demand = min(total, demand + min(max(0, claim.wanted), max(0, claim.quota), total)) }
    // What volumes in use want goes before what is kept for volumes that may come back.
    var kept: Int64 = 0
    var limits: [(name: String, limit: Int64)] = []
    for folder in idle.sorted(by: { ($0.lastUse, $0.name) > ($1.lastUse, $1.name) }) {
      let limit = max(0, min(folder.bytes, total - demand - kept))
      kept += limit
      if limit < folder.bytes { limits.append((folder.name, limit)) }
    }
    shrinking = limits.reversed()
    for (folder, allowance) in zip(used, NodeBudget(total: total - kept).allowances(claims)) {
      allowances[folder.name] = allowance
      if folder.isMeasured, NodeBudget.isExceeded(measured: folder.bytes, allowance: allowance) {
        excesses[folder.name] = allowance
      }
    }
  }
}
