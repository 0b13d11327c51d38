package import LinuxSystem
internal import ProtobufC
package import SystemPackage
package import VolumeModel

/// The worker's end of the socket to its mounter: descriptor 3 of the process. Calls may come from any thread; one thread at
/// a time receives.
///
/// The end of the mounter is not the end of the worker: ``receive()`` then returns nil, and the worker goes on serving
/// until the device says that the mount is gone (ENODEV).
package final class WorkerChannel: Sendable {
  /// Where a worker finds its socket.
  package static let descriptorNumber: CInt = 3

  private let socket: SeqpacketSocket

  /// Also makes this process survive writing to standard error after its mounter, which reads it, is gone.
  package init(adopting socket: consuming Descriptor) {
    self.socket = SeqpacketSocket(adopting: socket)
    SignalMask.ignoreBrokenPipes()
  }

  /// The first packet. Blocks until it is there.
  package func receiveConfiguration() throws(WorkerChannelError) -> WorkerConfiguration {
    guard let (message, descriptors) = try next() else { throw .mounterGone }
    guard case .configuration(let configuration) = message.command else {
      throw .malformed("the first packet is no configuration")
    }
    guard let fuseDevice = descriptors[.fuseDevice], let sharedState = descriptors[.sharedState] else {
      throw .malformed("the configuration came without the FUSE device or the shared state")
    }
    let secrets: VolumeSecrets? =
      if let descriptor = descriptors[.secrets] { try self.secrets(descriptor) } else { nil }
    do throws(Errno) {
      var root: Descriptor?
      if let directory = descriptors[.underFileSystemRoot] { root = try directory.descriptor.duplicate() }
      var pages: Descriptor?
      if let folder = descriptors[.pageFolder] { pages = try folder.descriptor.duplicate() }
      var shared: Descriptor?
      if let folder = descriptors[.sharedPages] { shared = try folder.descriptor.duplicate() }
      var account: Descriptor?
      if let memory = descriptors[.cacheAccount] { account = try memory.descriptor.duplicate() }
      let patience = configuration.startTimeoutMilliseconds
      return WorkerConfiguration(
        request: configuration.request, fuseInit: configuration.fuseInit,
        granted: FuseInitFlags(rawValue: configuration.granted), generation: configuration.generation,
        log: configuration.log, fuseDevice: try fuseDevice.descriptor.duplicate(),
        sharedState: try sharedState.descriptor.duplicate(), underFileSystemRoot: root, pageFolder: pages,
        sharedPages: shared, cacheAccount: account, secrets: secrets,
        environment: try descriptors[.nodeEnvironment].map { (memory) throws(Errno) in
          try NodeEnvironment.read(memory.descriptor)
        } ?? [:],
        startTimeout: patience == 0 ? nil : .milliseconds(Int64(patience)), trace: configuration.trace)
    } catch {
      throw .system(error)
    }
  }

  /// The next command that this version knows, blocking until there is one; nil when the mounter is gone.
  package func receive() throws(WorkerChannelError) -> NumberedCommand? {
    while let (message, descriptors) = try next() {
      let command: WorkerCommand
      switch message.command {
      case .drain(let milliseconds): command = .drain(timeoutMilliseconds: milliseconds)
      case .stop(let milliseconds): command = .stop(timeoutMilliseconds: milliseconds)
      case .updateOptions(let options): command = .updateOptions(options)
      case .updateSecrets(let revision):
        guard let descriptor = descriptors[.secrets] else { throw .malformed("new secrets came without their memfd") }
        command = .updateSecrets(try secrets(descriptor), revision: revision)
      case .ping: command = .ping
      case .backingOpened(let call, let id, let error): command = .backingOpened(call: call, id: id, error: error)
      case .configuration, .unknown: continue
      }
      return NumberedCommand(id: message.id, command: command)
    }
    return nil
  }

  /// Tells the mounter that the session serves. Once.
  package func ready() throws(Errno) { try send(.ready) }

  /// Tells the mounter why this worker cannot serve; it exits afterwards.
  package func failed(_ reason: String) throws(Errno) { try send(.failed(reason: String(reason.prefix(4_096)))) }

  /// The same, where it is the object store that does not serve the volume.
  package func refused(_ refusal: UnderFileSystemRefusal, _ reason: String) throws(Errno) {
    try send(.refused(refusal, reason: String(reason.prefix(4_096))))
  }

  /// Tells the mounter what this worker has counted.
  package func counters(_ counters: VolumeCounters) throws(Errno) {
    try send(ReportMessage(report: .counters(counters)))
  }

  /// Tells the mounter what this worker has answered.
  package func activity(_ activity: WorkerActivity) throws(Errno) {
    try send(ReportMessage(report: .activity(activity)))
  }

  /// Tells the mounter how it went with new secrets. - Parameter problem: nil: they are used from now on.
  package func credentials(revision: UInt64, problem: String?) throws(Errno) {
    try send(.credentials(revision: revision, problem: problem.map { String($0.prefix(4_096)) }))
  }

  /// Tells the mounter that a long start goes on.
  package func progress(_ what: String) throws(Errno) { try send(.progress(String(what.prefix(4_096)))) }

  /// Tells the mounter that a first request is answered: should this worker die, the next one is started without a pause.
  package func answered() throws(Errno) { try send(.answered) }

  /// Answers a ping.
  package func work(answered: UInt64, working: Int, oldestMilliseconds: UInt64) throws(Errno) {
    try send(
      .work(
        WorkerProgress(
          answered: answered, working: UInt32(clamping: working), oldestMilliseconds: oldestMilliseconds)))
  }

  /// Has the mounter keep `descriptor`, which stays the caller's, for a node. Once this returns, the end of this process
  /// does not end the descriptor's file. Waits for a mounter that is busy, or being replaced.
  /// - Throws: ETIMEDOUT, EPIPE: it is not kept.
  package func hold(_ node: UInt64, descriptor: CInt) throws(Errno) {
    try send(ReportMessage(roles: [.node], report: .holdNode(node)), descriptors: [descriptor])
  }

  /// The node needs no descriptor any more.
  package func release(_ node: UInt64) throws(Errno) { try send(ReportMessage(report: .releaseNode(node))) }

  /// Has the mounter register `descriptor`, which stays the caller's, as the file that the kernel reads and writes for the
  /// node. Answered by ``WorkerCommand/backingOpened(call:id:error:)``.
  package func openBacking(_ node: UInt64, descriptor: CInt, call: UInt64) throws(Errno) {
    try send(ReportMessage(roles: [.node], report: .openBacking(node, call: call)), descriptors: [descriptor])
  }

  /// No open file of the node is left. - Parameter id: 0: the worker does not know.
  package func closeBacking(_ node: UInt64, _ id: Int32) throws(Errno) {
    try send(ReportMessage(report: .closeBacking(node, id)))
  }

  /// How long a request of an application waits for a mounter that reads nothing.
  private static let patience: Int32 = 2_000

  /// Sends without waiting for ever: the kernel lets a few packets wait for a mounter.
  private func send(_ message: ReportMessage, descriptors: [CInt] = []) throws(Errno) {
    let bytes = Wire.encode(message)
    let deadline = Deadline.after(.milliseconds(Int(Self.patience)))
    while true {
      do throws(Errno) { return try socket.send(bytes, descriptors: descriptors, waits: false) } catch {
        guard error == .resourceTemporarilyUnavailable else { throw error }
        guard !deadline.hasPassed else { throw Errno.timedOut }
        _ = try socket.descriptor.isWritable(within: Self.patience)
      }
    }
  }

  /// Answers a command whose id is not 0.
  package func complete(_ id: UInt64) throws(Errno) { try send(.completed, id: id) }

  private func send(_ report: WorkerReport, id: UInt64 = 0) throws(Errno) {
    try socket.send(Wire.encode(ReportMessage(id: id, report: report)))
  }

  /// The next packet with its descriptors by role; the others are closed.
  private func next() throws(WorkerChannelError) -> (CommandMessage, [DescriptorRole: SharedDescriptor])? {
    let packet: SocketMessage
    do throws(Errno) {
      guard let received = try socket.receive(maxBytes: Packet.maximumBytes, maxDescriptors: Packet.maximumDescriptors)
      else { return nil }
      packet = received
    } catch .connectionReset {
      return nil
    } catch {
      throw .system(error)
    }
    do {
      let message = try Wire.command(packet.bytes)
      return (message, Packet.byRole(packet.descriptors, message.roles))
    } catch {
      throw .malformed(String(describing: error))
    }
  }

  private func secrets(_ descriptor: SharedDescriptor) throws(WorkerChannelError) -> VolumeSecrets {
    do {
      return try Wire.secrets(try Memfd.contents(of: descriptor.descriptor, limit: Packet.maximumSecretBytes))
    } catch {
      throw .malformed("the secrets cannot be read: \(error)")
    }
  }
}

/// Why a worker could not read what its mounter sent.
package enum WorkerChannelError: Error, Sendable, Hashable {
  /// The mounter closed the socket before it sent a configuration.
  case mounterGone
  /// The packet is no message of this protocol, or lacks what it must have.
  case malformed(String)
  case system(Errno)
}
