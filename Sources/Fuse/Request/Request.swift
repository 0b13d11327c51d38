import CFuse
import Glibc
import Synchronization
import SystemPackage
import UnderFileSystem
import VolumeFileSystem

/// One request of the kernel. Answering consumes it, so that no request is answered twice; one that is dropped unanswered
/// answers EIO, so that no application waits for ever.
struct Request: ~Copyable {
  private let raw: fuse_req_t
  // SAFETY: both outlive the request, which lives within one callback of libfuse: the context belongs to the session, the
  // buffer to the calling thread. Unmanaged, because only trivial values can be discarded (and it spares the counting).
  private let unmanagedContext: Unmanaged<SessionContext>
  private let unmanagedBuffer: Unmanaged<RequestBuffer>

  /// - Parameter raw: as libfuse passes it to an operation; nobody else answers it.
  init(_ raw: fuse_req_t?) {
    guard let raw, let buffer = CurrentBuffer.value else {
      preconditionFailure("an operation runs outside of a reader's thread")
    }
    self.raw = raw
    unmanagedContext = .passUnretained(SessionContext.from(fuse_req_userdata(raw)))
    unmanagedBuffer = .passUnretained(buffer)
    buffer.begin(context.progress)
  }

  deinit {
    buffer.finish()
    // SAFETY: `raw` lives until it is answered, and every answer discards this value. fuse_reply_none frees it silently.
    if context.leavesUnanswered.load(ordering: .relaxed) {
      fuse_reply_none(raw)
    } else {
      fuse_reply_err(raw, EIO)
    }
  }

  var context: SessionContext { unmanagedContext.takeUnretainedValue() }
  var buffer: RequestBuffer { unmanagedBuffer.takeUnretainedValue() }
  var fileSystem: VolumeFileSystem { context.fileSystem }

  /// Who asked. With ALLOW_IDMAP granted, uid and gid are known for creations only and otherwise 2³²−1: the kernel has
  /// then checked the permissions itself (default_permissions).
  var caller: Caller {
    // SAFETY: the context lies within the request.
    let context = fuse_req_ctx(raw).pointee
    return Caller(uid: context.uid, gid: context.gid, pid: context.pid, umask: context.umask)
  }

  /// The kernel's number for the request, by which a worker that takes over finds what this one left undone.
  var id: RequestID { RequestID(unique: buffer.unique) }

  /// Takes setuid and setgid off a file whose content is about to change, and has the kernel ask for the mode again.
  func clearSetIDBits(of node: NodeID, isDemanded: Bool) throws(Errno) {
    guard try fileSystem.clearSetIDBits(of: node, caller: caller, isDemanded: isDemanded) else { return }
    context.forgetAttributes(of: node)
  }

  /// Runs the operation and sends its answer or its error. What the answer would have given to the kernel is taken back
  /// when it does not arrive (the caller was killed meanwhile).
  consuming func answer(_ operation: (borrowing Request) throws(Errno) -> Reply) {
    let fileSystem = fileSystem
    do throws(Errno) {
      let reply = try operation(self)
      if !send(reply) { Self.takeBack(reply, fileSystem) }
    } catch {
      fail(error)
    }
  }

  /// As `answer`, for an operation that must not be applied twice: its intent goes when the kernel has the answer.
  consuming func answerOnce(_ operation: (borrowing Request) throws(Errno) -> Reply) {
    let (fileSystem, id) = (fileSystem, id)
    answer(operation)
    fileSystem.answered(id)
  }

  /// Answers with an error, or leaves the request to the next worker.
  consuming func fail(_ error: Errno) {
    guard error != .leftToNextWorker else {
      // It stays unanswered: the session has been told to stop.
      _ = consume self
      return
    }
    let (raw, context) = (raw, context)
    buffer.finish()
    discard self
    let answer = error.answer
    fuse_reply_err(raw, answer)
    context.progress.failed(Errno(rawValue: answer))
  }

  /// - Returns: whether the kernel took the answer.
  private consuming func send(_ reply: Reply) -> Bool {
    let (raw, buffer, context) = (raw, buffer, context)
    discard self
    // Bytes that are lent are given back with the answer.
    buffer.note(reply)
    let arrived = Wire.send(reply, to: raw, from: buffer) == 0
    buffer.finish()
    // FORGET gets no answer.
    if case .none = reply { return arrived }
    context.progress.answered()
    return arrived
  }

  private static func takeBack(_ reply: Reply, _ fileSystem: VolumeFileSystem) {
    switch reply {
    case .entry(let entry): fileSystem.forget(entry.node, 1)
    case .open(let node, let open): fileSystem.release(node, handle: open.handle)
    case .create(let entry, let open):
      fileSystem.release(entry.node, handle: open.handle)
      fileSystem.forget(entry.node, 1)
    default: break
    }
  }
}
