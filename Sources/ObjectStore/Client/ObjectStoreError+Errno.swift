package import SystemPackage

/// What an application is told for each kind of error: the one table of them.
extension ObjectStoreError {
  /// What the application did.
  package enum Purpose: Sendable, Hashable {
    /// Names, attributes and listings.
    case lookup
    /// Content of a file that is open.
    case read
    /// A file that must not be there yet.
    case exclusiveCreate
    /// Everything that changes the store.
    case write
  }

  /// The number for the answer. EIO always goes with a log line that has ``description``.
  package func errno(for purpose: Purpose) -> Errno {
    switch kind {
    // The file of an open handle was deleted, or replaced by another object: what it was opened for is gone. A new open
    // says ENOENT or sees the new content.
    case .noSuchKey: purpose == .read ? .staleNFSFileHandle : .noSuchFileOrDirectory
    case .preconditionFailed: purpose == .exclusiveCreate ? .fileExists : .staleNFSFileHandle
    // Shorter than it was when it was opened.
    case .invalidRange: .staleNFSFileHandle
    // Not ENOENT: that no file is there would be a lie on which applications make new ones.
    case .noSuchBucket: .ioError
    // Somebody aborted the upload, and what was written to it is lost.
    case .noSuchUpload: .ioError
    case .accessDenied: .permissionDenied
    // Not EKEYREJECTED and EKEYEXPIRED, which no application knows; the volume's condition says which it is.
    case .invalidAccessKey, .badSignature, .expiredCredentials, .noCredentials, .clockSkew: .permissionDenied
    // It cannot be read now, and reading again does not help, as EAGAIN would say.
    case .archived: .permissionDenied
    // Two writers of one key. EAGAIN on a regular file is something that no application expects.
    case .conflict: .resourceBusy
    case .tooLarge: .fileTooLarge
    case .storageFull: .noSpace
    case .unsupported: .notSupported
    // Not EINTR, which applications answer by trying again.
    case .cancelled: .ioError
    case .deadlineExceeded, .timeout: .timedOut
    // After all attempts. Not EAGAIN: read(2) says it for descriptors that do not block, and the C library gives up on it.
    case .slowDown, .server, .unreachable, .connectionLost, .tls, .malformedReply, .invalidRequest, .wrongRegion,
      .other:
      .ioError
    }
  }
}
