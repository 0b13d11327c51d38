/// Why an object store does not do what a volume needs, as far as callers act differently: when it is mounted, and when its
/// prefix is made or removed. The sentence beside it says the rest.
package enum UnderFileSystemRefusal: String, Sendable, Hashable, CaseIterable {
  /// There is no such bucket.
  case absent
  /// The credentials are missing, wrong, too old, or do not allow what the volume needs.
  case credentials
  /// Another region, no trust in its certificate, or no object store at all answers.
  case configuration
  /// It cannot be reached, does not answer in time, is overloaded, or others were at the same: the next attempt may do better.
  case unreachable
  /// It has no room left.
  case full
  case other
}
