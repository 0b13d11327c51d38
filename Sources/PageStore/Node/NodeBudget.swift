/// How the plugin divides what a node may cache among its workers. A value: no clock, no disk.
package struct NodeBudget: Sendable {
  /// One worker's cache.
  package struct Claim: Sendable, Hashable {
    /// At most this, in bytes, whatever it wants.
    package var quota: Int64
    /// What it says that it would keep; at least what it was measured to keep.
    package var wanted: Int64

    package init(quota: Int64, wanted: Int64) {
      self.quota = quota
      self.wanted = wanted
    }
  }

  /// For all workers of the node, in bytes.
  package var total: Int64

  package init(total: Int64) { self.total = max(0, total) }

  /// What each worker may keep, in the order of the claims. Who wants less than an even share gets what it wants; what is
  /// left is divided evenly among the others. What nobody wants is divided evenly too, so that each can grow at once;
  /// nobody gets more than its quota, and all together not more than the total.
  package func allowances(_ claims: [Claim]) -> [Int64] {
    var given = Self.fill(claims.map { min(max(0, $0.wanted), max(0, $0.quota)) }, total)
    let left = total - given.reduce(0, +)
    let more = Self.fill(zip(claims, given).map { max(0, $0.quota) - $1 }, left)
    for index in given.indices { given[index] += more[index] }
    return given
  }

  /// Max-min fair shares of `total` for these demands.
  private static func fill(_ demands: [Int64], _ total: Int64) -> [Int64] {
    var shares = [Int64](repeating: 0, count: demands.count)
    var left = total
    var places = demands.indices.sorted { demands[$0] < demands[$1] }[...]
    while let place = places.popFirst() {
      shares[place] = min(demands[place], left / Int64(places.count + 1))
      left -= shares[place]
    }
    return shares
  }

  /// Whether what was measured is so much more than what was allowed that the worker does not keep to it: more than an
  /// eighth, and more than what may be on its way.
  package static func isExceeded(measured: Int64, allowance: Int64) -> Bool {
    measured > allowance + max(allowance / 8, 64 << 20)
  }
}
