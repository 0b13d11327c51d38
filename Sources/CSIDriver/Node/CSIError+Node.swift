package import Mounter
internal import SystemPackage
internal import VolumeModel

/// Which situation of the table a failure beneath the node service is.
extension CSIError {
  package init(_ fault: TargetFault) {
    switch fault {
    case .insideStateDirectory: self = .malformedField("target_path", problem: "is refused: \(fault)")
    case .parentAbsent, .wayNotADirectory, .symbolicLink, .notADirectory, .notEmpty, .foreignMount, .hidden:
      self = .precondition(problem: fault.description)
    case .deadline(let step): self = .deadlineExceeded(step: step)
    case .system(let error, let step): self = Self.system(error, step: step)
    case .notMountedAfterBind: self = .failed(step: "the mount", cause: fault.description)
    case .unmountFailed: self = .failed(step: "the unmount", cause: fault.description)
    }
  }

  package init(_ error: MounterError) {
    switch error {
    case .underFileSystemAbsent, .underFileSystemNotADirectory, .incompatible, .notMounted:
      self = .precondition(problem: error.description)
    case .underFileSystemNotPermitted, .underFileSystemOutsideRoots, .noFileRoots:
      self = .permissionDenied(problem: error.description)
    case .underFileSystemNotServed(let scheme):
      self = .volumeContext(.notSupported(key: "path", reason: "names \(scheme)://: \(error)"))
    case .underFileSystemRefused(let refusal, let sentence):
      self = .refused(refusal, sentence, step: "the mount")
    case .busy: self = .failed(step: "the unmount", cause: error.description)
    case .deadline(let step): self = .deadlineExceeded(step: step)
    case .unreachable, .shuttingDown, .cancelled: self = .unavailable(problem: error.description)
    case .workerFailed, .protocolVersion, .malformed, .custodyRefused:
      self = .failed(step: "the mount", cause: error.description)
    case .system(let cause, let step): self = Self.system(cause, step: step)
    }
  }

  /// A full disk is the administrator's to clear and the call worth repeating; everything else is ours.
  private static func system(_ error: Errno, step: String) -> CSIError {
    switch error {
    case .noSpace, .diskQuotaExceeded:
      .exhausted(problem: "\(step): \(error): free space on the node's disk and try again")
    case .readOnlyFileSystem: .precondition(problem: "\(step): \(error): make the node's folders writable")
    default: .failed(step: step, cause: error.description)
    }
  }
}
