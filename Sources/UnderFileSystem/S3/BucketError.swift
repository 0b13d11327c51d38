package import ObjectStore
package import SystemPackage

/// Why a call on a bucket failed, after the client's own repetitions.
package struct BucketError: Error, Sendable, Hashable, CustomStringConvertible {
  /// What a caller does differently.
  package enum Kind: Sendable, Hashable {
    /// No object of that key, or no upload of that number.
    case notFound
    /// What `If-Match`, `If-None-Match` or a copy's condition wanted is not so.
    case precondition
    /// Somebody else changes the same key at this moment.
    case conflict
    /// The credentials do not allow it, or are none.
    case forbidden
    /// The range begins behind the object's end.
    case range
    /// The object or part is larger than the service takes.
    case tooLarge
    /// The service does not know the call or a condition of it.
    case unsupported
    /// The store has no room.
    case full
    case cancelled
    /// The time is over.
    case late
    /// No answer, or one that is none.
    case unreachable
    case other
  }

  package var kind: Kind
  /// A sentence for people, with the request's id where the service gave one. No secrets.
  package var description: String
  /// What the client of the service says, where one was asked.
  package var cause: ObjectStoreError?

  package init(_ kind: Kind, _ description: String, cause: ObjectStoreError? = nil) {
    self.kind = kind
    self.description = description
    self.cause = cause
  }

  /// What an application gets: the one table for object stores. Calls that know better look at the kind first (a read
  /// knows that what it was opened for is gone). Never EAGAIN or EINTR, which nobody expects of a regular file.
  package var errno: Errno {
    switch kind {
    case .notFound: .noSuchFileOrDirectory
    case .precondition: .versionGone
    case .conflict: .busyObject
    case .forbidden: .refusedByStore
    case .range: .versionGone
    case .tooLarge: .fileTooLarge
    case .unsupported: .notSupported
    case .full: .noSpace
    case .late: .timedOut
    case .cancelled, .unreachable, .other: .ioError
    }
  }

  /// Whether a log line says more than the errno.
  var isForLog: Bool {
    switch kind {
    case .unreachable, .late, .full, .other, .forbidden, .unsupported: true
    default: false
    }
  }
}
