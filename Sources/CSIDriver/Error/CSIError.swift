package import VolumeModel

/// The situations in which a call fails. Each has one status code, in `CSIError+Status.swift`.
///
/// Messages say what is wrong and what to do. They are seen in pod events and must never hold a secret, a token, a mount
/// flag or the value of a volume context key.
package enum CSIError: Error, Sendable, Hashable {
  // What the request says.
  /// A required field is absent or empty; `field` in the specification's spelling.
  case missingField(String)
  /// `problem` follows the field's name: "is not absolute".
  case malformedField(String, problem: String)
  case volumeContext(VolumeContextError)
  /// A capability that no volume of this driver has, with the reason.
  case unsupportedCapability(reason: String)

  // What the driver offers.
  case notImplemented(method: String, reason: String)

  // Volumes and their use.
  /// "volume" or "target", with its id; `advice` may be empty.
  case notFound(what: String, name: String, advice: String)
  /// `difference` names the field that differs: "capacity".
  case incompatibleRepeat(what: String, name: String, difference: String)
  /// Another call for the same thing is running.
  case inProgress(what: String, name: String)
  case volumeInUse(volume: String, nodes: [String])
  /// A second publish of a volume for one pod only.
  case singleWriter(volume: String, holder: String)
  /// The call cannot succeed until something outside is changed.
  case precondition(problem: String)
  case badPagingToken

  // Limits.
  case outOfRange(problem: String)
  case exhausted(problem: String)

  // What lies beneath.
  /// There is no such bucket.
  case underFileSystemAbsent(problem: String)
  /// What the volume says of its under file system is wrong: another region, no object store at all.
  case underFileSystemMisnamed(problem: String)
  case permissionDenied(problem: String)
  case unavailable(problem: String)
  case deadlineExceeded(step: String)
  case cancelled(step: String)
  /// `step` says what was tried and on what, `cause` how it failed.
  case failed(step: String, cause: String)
}
