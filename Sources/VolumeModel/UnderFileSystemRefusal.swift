/// Why an object store does not serve a volume, as far as callers act differently. The sentence beside it says the rest.
package enum UnderFileSystemRefusal: String, Sendable, Hashable, CaseIterable {
  /// There is no such bucket.
  case absent
  /// The credentials are missing, wrong, too old, or do not allow what the volume needs.
  case credentials
  /// Another region, no trust in its certificate, or no object store at all answers.
  case configuration
  /// It cannot be reached, does not answer in time, or is overloaded.
  case unreachable
  case other
}
