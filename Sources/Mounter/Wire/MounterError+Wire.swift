internal import CProtobufC
internal import LinuxSystem
internal import MounterProtocol
internal import ProtobufC
internal import SystemPackage
internal import VolumeModel

/// An error on its way: the kind, and what the kind speaks of. Which part of the error lies in which field is decided here,
/// for both directions.
extension MounterError {
  func fill(_ wire: MessageBuilder<Mounter__V1__Error>) {
    let (kind, subject, reason) = wireFields
    unsafe wire.kind = kind
    unsafe wire.subject = withoutNul(subject)
    unsafe wire.reason = withoutNul(reason)
    switch self {
    case .incompatible(let key, _), .notMounted(let key), .busy(let key, _), .custodyRefused(let key, _):
      unsafe key.fill(wire.make(\.key, mounter__v1__key__init))
    default: break
    }
    switch self {
    case .system(let error, _): unsafe wire.error_number = error.rawValue
    case .workerFailed(_, let output):
      unsafe wire.setStrings(\.n_worker_output, \.worker_output, output.map(withoutNul))
    case .underFileSystemRefused(let refusal, _): unsafe wire.refusal = refusal.wire
    case .busy(_, let holders):
      unsafe wire.setList(\.n_holders, \.holders, holders, mounter__v1__holder__init) { wire, holder in
        switch holder {
        case .process(let pid, let program):
          unsafe wire.pid = pid
          unsafe wire.program = withoutNul(program)
        case .mount(let path): unsafe wire.mount_point = withoutNul(path)
        }
      }
    default: break
    }
  }

  private var wireFields: (kind: Mounter__V1__Error__Kind, subject: String, reason: String) {
    switch self {
    case .underFileSystemAbsent(let path): (MOUNTER__V1__ERROR__KIND__KIND_UFS_ABSENT, path, "")
    case .underFileSystemNotADirectory(let path): (MOUNTER__V1__ERROR__KIND__KIND_UFS_NOT_DIRECTORY, path, "")
    case .underFileSystemNotPermitted(let path): (MOUNTER__V1__ERROR__KIND__KIND_UFS_NOT_PERMITTED, path, "")
    case .underFileSystemOutsideRoots(let path): (MOUNTER__V1__ERROR__KIND__KIND_UFS_OUTSIDE_ROOTS, path, "")
    case .noFileRoots(let path): (MOUNTER__V1__ERROR__KIND__KIND_NO_FILE_ROOTS, path, "")
    case .underFileSystemNotServed(let scheme): (MOUNTER__V1__ERROR__KIND__KIND_UFS_NOT_SERVED, scheme, "")
    case .underFileSystemRefused(_, let sentence): (MOUNTER__V1__ERROR__KIND__KIND_UFS_REFUSED, "", sentence)
    case .incompatible(_, let difference): (MOUNTER__V1__ERROR__KIND__KIND_INCOMPATIBLE, "", difference)
    case .busy: (MOUNTER__V1__ERROR__KIND__KIND_BUSY, "", "")
    case .notMounted: (MOUNTER__V1__ERROR__KIND__KIND_NOT_MOUNTED, "", "")
    case .deadline(let step): (MOUNTER__V1__ERROR__KIND__KIND_DEADLINE, step, "")
    // Only a client says these; they never travel.
    case .cancelled: (MOUNTER__V1__ERROR__KIND__KIND_UNSPECIFIED, "", "")
    case .unreachable(let socket, let reason): (MOUNTER__V1__ERROR__KIND__KIND_UNSPECIFIED, socket, reason)
    case .workerFailed(let reason, _): (MOUNTER__V1__ERROR__KIND__KIND_WORKER_FAILED, "", reason)
    case .protocolVersion(let reason): (MOUNTER__V1__ERROR__KIND__KIND_UNSUPPORTED, "", reason)
    case .malformed(let reason): (MOUNTER__V1__ERROR__KIND__KIND_MALFORMED, "", reason)
    case .custodyRefused(_, let reason): (MOUNTER__V1__ERROR__KIND__KIND_CUSTODY_REFUSED, "", reason)
    case .shuttingDown: (MOUNTER__V1__ERROR__KIND__KIND_SHUTTING_DOWN, "", "")
    case .system(_, let step): (MOUNTER__V1__ERROR__KIND__KIND_SYSTEM, step, "")
    }
  }

  init(wire: borrowing MessageView<Mounter__V1__Error>) throws(MissingField) {
    let subject = unsafe wire.subject
    let reason = unsafe wire.reason
    self =
      switch unsafe wire.kind {
      case MOUNTER__V1__ERROR__KIND__KIND_UFS_ABSENT: .underFileSystemAbsent(path: subject)
      case MOUNTER__V1__ERROR__KIND__KIND_UFS_NOT_DIRECTORY: .underFileSystemNotADirectory(path: subject)
      case MOUNTER__V1__ERROR__KIND__KIND_UFS_NOT_PERMITTED: .underFileSystemNotPermitted(path: subject)
      case MOUNTER__V1__ERROR__KIND__KIND_UFS_OUTSIDE_ROOTS: .underFileSystemOutsideRoots(path: subject)
      case MOUNTER__V1__ERROR__KIND__KIND_NO_FILE_ROOTS: .noFileRoots(path: subject)
      case MOUNTER__V1__ERROR__KIND__KIND_UFS_NOT_SERVED: .underFileSystemNotServed(scheme: subject)
      case MOUNTER__V1__ERROR__KIND__KIND_UFS_REFUSED:
        unsafe .underFileSystemRefused(UnderFileSystemRefusal(wire: wire.refusal) ?? .other, sentence: reason)
      case MOUNTER__V1__ERROR__KIND__KIND_INCOMPATIBLE:
        unsafe .incompatible(key: try Wire.key(wire.key), difference: reason)
      case MOUNTER__V1__ERROR__KIND__KIND_BUSY:
        unsafe .busy(key: try Wire.key(wire.key), holders: Self.holders(wire))
      case MOUNTER__V1__ERROR__KIND__KIND_NOT_MOUNTED: unsafe .notMounted(try Wire.key(wire.key))
      case MOUNTER__V1__ERROR__KIND__KIND_DEADLINE: .deadline(step: subject)
      case MOUNTER__V1__ERROR__KIND__KIND_WORKER_FAILED:
        .workerFailed(reason: reason, output: unsafe wire.strings(\.n_worker_output, \.worker_output))
      case MOUNTER__V1__ERROR__KIND__KIND_UNSUPPORTED: .protocolVersion(reason: reason)
      case MOUNTER__V1__ERROR__KIND__KIND_MALFORMED: .malformed(reason: reason)
      case MOUNTER__V1__ERROR__KIND__KIND_CUSTODY_REFUSED:
        unsafe .custodyRefused(key: try Wire.key(wire.key), reason: reason)
      case MOUNTER__V1__ERROR__KIND__KIND_SHUTTING_DOWN: .shuttingDown
      case MOUNTER__V1__ERROR__KIND__KIND_SYSTEM: .system(Errno(rawValue: unsafe wire.error_number), step: subject)
      // A kind of a newer version.
      default: .protocolVersion(reason: reason.isEmpty ? subject : reason)
      }
  }

  private static func holders(_ wire: borrowing MessageView<Mounter__V1__Error>) -> [MountHolder] {
    unsafe wire.list(\.n_holders, \.holders) { holder in
      let mountPoint = unsafe holder.mount_point
      if !mountPoint.isEmpty { return .mount(at: mountPoint) }
      return .process(pid: unsafe holder.pid, program: unsafe holder.program)
    }
  }
}
