import CFuse
import Glibc
package import LinuxSystem
package import Logging
import Synchronization
package import SystemPackage
package import VolumeFileSystem

/// One worker's part of a FUSE connection that somebody else has mounted and whose FUSE_INIT is answered: reads requests
/// from the device, calls the volume file system, writes answers. libfuse parses and formats; it neither mounts nor loops.
///
/// At most one session may serve a connection at a time. Dropped only after `wait` has returned its end.
package final class Session: @unchecked Sendable {
  // SAFETY (Sendable): `handle` is made in init and freed in deinit; libfuse locks what it changes in between.
  private let handle: OpaquePointer
  private let device: CInt
  let context: SessionContext
  private let readers: ReaderGroup
  private let drain: ResendDrain
  /// Whether the kernel asks the next worker for what this one leaves unanswered.
  private let isResending: Bool

  /// Makes libfuse know what was agreed with the kernel. Serves nothing yet.
  /// - Parameters:
  ///   - device: `/dev/fuse`, blocking; owned by the session from now on.
  ///   - fuseInit: the FUSE_INIT request, with the flags that were granted in place of those offered.
  /// - Throws: EPROTO when libfuse does not accept `fuseInit`, ENOMEM.
  package convenience init(
    device: consuming Descriptor, fuseInit: [UInt8], fileSystem: VolumeFileSystem, log: Logger
  ) throws(Errno) {
    try self.init(device: device, fuseInit: fuseInit, fileSystem: fileSystem, log: log, limits: .init())
  }

  init(
    device: consuming Descriptor, fuseInit: [UInt8], fileSystem: VolumeFileSystem, log: Logger,
    limits: ReaderCensus.Limits
  ) throws(Errno) {
    context = SessionContext(fileSystem: fileSystem, log: log, device: device.rawValue)
    readers = ReaderGroup(limits: limits)
    drain = ResendDrain(fileSystem)
    isResending = (try? FuseInitRequest(bytes: fuseInit))?.flags.contains(.hasResend) ?? false
    LibfuseLog.redirect(to: log)
    guard let handle = Self.makeHandle(context) else { throw .noMemory }
    self.handle = handle
    self.device = device.release()
    var io = DeviceIO.table
    // SAFETY: libfuse copies the table; it closes the descriptor when the session is destroyed, in deinit.
    let result = fuse_session_custom_io(handle, &io, self.device)
    guard result == 0 else { throw Errno(rawValue: -result) }
    try replay(fuseInit)
  }

  deinit { fuse_session_destroy(handle) }

  private static func makeHandle(_ context: SessionContext) -> OpaquePointer? {
    guard let name = strdup("alluxio-fuse") else { return nil }
    defer { free(name) }
    var arguments: [UnsafeMutablePointer<CChar>?] = [name, nil]
    var operations = OperationTable.operations
    return arguments.withUnsafeMutableBufferPointer { vector in
      var list = fuse_args(argc: 1, argv: vector.baseAddress, allocated: 0)
      // SAFETY: arguments and operations are copied or parsed before the call returns; the context outlives the session.
      let handle = fuse_session_new(
        &list, &operations, MemoryLayout<fuse_lowlevel_ops>.size, context.userData)
      fuse_opt_free_args(&list)
      return handle
    }
  }

  /// Feeds libfuse the request that opened the connection, without which it answers everything with EIO.
  private func replay(_ fuseInit: [UInt8]) throws(Errno) {
    guard let request = try? FuseInitRequest(bytes: fuseInit) else { throw .protocolError }
    var bytes = request.bytes
    context.isReplaying.store(true, ordering: .sequentiallyConsistent)
    bytes.withUnsafeMutableBytes { memory in
      var buffer = fuse_buf()
      buffer.mem = memory.baseAddress
      buffer.size = memory.count
      // SAFETY: the bytes are a whole request, as was just checked, and libfuse keeps no pointer to them.
      fuse_session_process_buf(handle, &buffer)
    }
    context.isReplaying.store(false, ordering: .sequentiallyConsistent)
    guard fuse_session_exited(handle) == 0 else { throw .protocolError }
  }
}

// MARK: - Serving

extension Session {
  /// Begins to serve, on threads of its own, and returns.
  /// - Throws: EAGAIN when no thread can be made.
  package func start() throws(Errno) {
    try readers.start(hasBacklog: { self.hasBacklog }) { self.readRequests($0) }
  }

  /// Has the kernel queue again what an earlier worker has read and not answered. Only after that worker is surely gone.
  /// - Throws: EINVAL from kernels before 6.9, which cannot.
  package func requestResend() throws(Errno) {
    var notification = fuse_out_header()
    notification.len = UInt32(MemoryLayout<fuse_out_header>.size)
    notification.error = CFUSE_NOTIFY_RESEND
    let device = device
    try Syscall.retrying { write(device, &notification, MemoryLayout<fuse_out_header>.size) }
  }

  /// Calls `body` once, when the first request is answered. To be set before ``start()``.
  package func whenFirstAnswered(_ body: @escaping @Sendable () -> Void) { context.progress.whenFirstAnswered(body) }

  /// What the session has done and is at.
  package var work: SessionWork { context.progress.now }

  /// What it has moved since its start.
  package var traffic: SessionTraffic { context.progress.traffic }

  /// Reads nothing more and lets what was begun be answered; what was not read stays with the kernel, and so does a read
  /// that waits for the network, where the next worker is asked for it again. Returns at once.
  package func stop() {
    context.leavesUnanswered.store(true, ordering: .relaxed)
    readers.stop()
    if isResending { context.fileSystem.endReads() }
  }

  /// Waits for the end: after `stop`, or when the file system is unmounted.
  /// - Parameter milliseconds: how long at most; nil: for ever.
  /// - Returns: nil when requests are still being worked on.
  package func wait(milliseconds: Int? = nil) -> SessionEnd? { readers.wait(milliseconds: milliseconds) }

  /// Threads that serve now.
  package var readerCount: Int { readers.count }

  /// Whether requests wait that no reader has taken.
  private var hasBacklog: Bool {
    var query = pollfd(fd: device, events: Int16(POLLIN), revents: 0)
    return poll(&query, 1, 0) == 1 && query.revents & Int16(POLLIN) != 0
  }

  /// A reader thread from its start to its end.
  private func readRequests(_ reader: ReaderGroup.Reader) {
    do {
      let buffer = try RequestBuffer()
      CurrentBuffer.with(buffer) { serve(buffer, reader) }
    } catch {
      context.log.error("no memory for a request buffer", metadata: ["error": "\(error)"])
      readers.leaveUnmade(reader, error)
    }
  }

  private func serve(_ buffer: RequestBuffer, _ reader: ReaderGroup.Reader) {
    var memory = fuse_buf()
    var wasAsked = false
    while true {
      memory.mem = buffer.request
      memory.flags = fuse_buf_flags(rawValue: 0)
      let turn = drain.begin()
      let count = fuse_session_receive_buf(handle, &memory)
      guard count > 0 else {
        drain.end(turn)
        if count == -EINTR || count == -EAGAIN {
          if readers.interrupted(reader) { continue } else { return }
        }
        return readers.leaveWaiting(reader, count == 0 ? .unmounted : .failed(Errno(rawValue: -count)))
      }
      readers.tookRequest(reader)
      buffer.inspect(byteCount: Int(count))
      if !wasAsked, buffer.wantsAnswer {
        wasAsked = true
        context.fileSystem.noteAsked()
      }
      drain.took(opcode: buffer.opcode, isResent: buffer.unique & CFUSE_UNIQUE_RESEND != 0)
      fuse_session_process_buf(handle, &memory)
      drain.end(turn)
      guard readers.answered(reader) else { return }
    }
  }
}
