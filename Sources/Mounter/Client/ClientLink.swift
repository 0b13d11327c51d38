internal import LinuxSystem
internal import Log
internal import Synchronization
internal import SystemPackage
internal import VolumeModel

/// One connection to a mounter: a thread of its own reads replies, sends what the socket did not take at once and ends
/// calls at their deadlines, so that a stopped mounter holds nobody up. Callers never block.
final class ClientLink: Sendable {
  /// What the owner is told, on the link's thread.
  enum Event: Sendable {
    case event(WorkerStatus)
    /// A copy of a volume as it is now.
    case custody(CustodyCopy)
    /// The same of one file without a name; nil: it is needed no more.
    case node(NodeCustody, SharedDescriptor?)
    /// The volume is gone, copies of it are of no use.
    case withdraw(WorkerKey)
    /// Nothing more comes; every call has been ended.
    case closed
  }

  /// How a call ends: the last reply, with those that came before it.
  typealias Outcome = Result<[ReplyMessage.Reply], MounterError>

  private struct Pending {
    var deadline: Deadline
    var step: String
    var replies: [ReplyMessage.Reply] = []
    var finish: @Sendable (Outcome) -> Void
  }

  private struct State {
    var pending: [UInt64: Pending] = [:]
    var lastID: UInt64 = 0
    /// Packets that the socket has not taken, with the descriptors beside them.
    var outbox: [(bytes: [UInt8], descriptors: [SharedDescriptor])] = []
    var isClosed = false
  }

  private let path: String
  private let socket: SeqpacketSocket
  private let epoll: Epoll
  /// Wakes the thread for a new deadline, something to send or the end.
  private let bell: EventFD
  private let state = Mutex(State())
  private let onEvent: @Sendable (Event) -> Void

  /// Threads of links: one each as long as it lives. A plugin has one link.
  private static let threads = BlockingThreads(maximumRunning: 1_024, maximumAbandoned: 1)

  /// Connects and starts the link's thread.
  init(to path: String, onEvent: @escaping @Sendable (Event) -> Void) throws(MounterError) {
    self.path = path
    self.onEvent = onEvent
    do throws(Errno) {
      socket = try SeqpacketSocket.connectNonBlocking(to: path)
      epoll = try Epoll()
      bell = try EventFD()
      try epoll.add(socket.rawValue, token: 0)
      try epoll.add(bell.rawValue, token: 1)
    } catch {
      throw .unreachable(socket: path, reason: "\(error)")
    }
    do throws(BlockingThreads.TooManyAbandoned) {
      try Self.threads.start { [self] in serve() }
    } catch {
      throw .unreachable(socket: path, reason: "no thread can be started")
    }
  }

  /// Sends a call; `finish` is called once, by its deadline.
  /// - Parameter step: what the caller waits for, for the error of a deadline that passes.
  /// - Returns: the call's id, to cancel it by; nil when it has ended already.
  @discardableResult
  func send(
    _ call: CallMessage.Call, descriptors: [DescriptorRole: SharedDescriptor] = [:], by deadline: Deadline,
    step: String,
    _ finish: @escaping @Sendable (Outcome) -> Void
  ) -> UInt64? {
    let trace = TraceID.current
    let id = state.withLock { state -> UInt64? in
      if state.isClosed { return nil }
      state.lastID += 1
      state.pending[state.lastID] = Pending(deadline: deadline, step: step, finish: finish)
      let message = CallMessage(
        id: state.lastID, timeoutMilliseconds: Self.milliseconds(until: deadline),
        roles: Array(descriptors.keys), trace: trace, call: call)
      state.outbox.append((Wire.encode(message), Array(descriptors.values)))
      return state.lastID
    }
    if id == nil { finish(.failure(.unreachable(socket: path, reason: "the connection was lost"))) }
    bell.signal()
    return id
  }

  /// Ends a call that nobody waits for any more.
  func cancel(_ id: UInt64) { finish(id, .failure(.cancelled)) }

  /// Calls can no longer be sent.
  var isClosed: Bool { state.withLock { $0.isClosed } }

  /// Ends the connection and all its calls.
  func close() {
    state.withLock { $0.isClosed = true }
    bell.signal()
  }

  // MARK: The link's thread

  private func serve() {
    ProcessAttributes.setThreadName("mounter-client")
    var reason = "the connection was closed"
    do throws(Errno) {
      while !state.withLock({ $0.isClosed }) {
        try bell.take()
        try flush()
        guard try read() else {
          reason = "the mounter has ended"
          break
        }
        let next = endLateCalls()
        _ = try epoll.wait(milliseconds: Self.pollTime(until: next))
      }
    } catch {
      reason = "\(error)"
    }
    end(reason)
  }

  /// Sends what the socket takes and waits for the rest.
  private func flush() throws(Errno) {
    while let next = state.withLock({ $0.outbox.first }) {
      do throws(Errno) {
        try socket.send(next.bytes, sharing: next.descriptors)
        state.withLock { _ = $0.outbox.removeFirst() }
      } catch .resourceTemporarilyUnavailable {
        return try epoll.modify(socket.rawValue, token: 0, events: [.readable, .writable])
      }
    }
    try epoll.modify(socket.rawValue, token: 0, events: .readable)
  }

  /// - Returns: false at the end of the connection.
  private func read() throws(Errno) -> Bool {
    while true {
      do throws(Errno) {
        let packet = try socket.receive(maxBytes: Packet.maximumBytes, maxDescriptors: Packet.maximumDescriptors)
        guard let packet else { return false }
        // What a newer mounter says that cannot be read is none of this version's business.
        if let message = try? Wire.reply(packet.bytes) { take(message, packet.descriptors) }
      } catch .resourceTemporarilyUnavailable {
        return true
      } catch .messageTooLong {
        // No descriptors are left for the copies that came with it.
        continue
      }
    }
  }

  private func take(_ message: ReplyMessage, _ descriptors: [SharedDescriptor]) {
    switch message.reply {
    case .event(let status): return onEvent(.event(status))
    case .custody(let volume) where message.id == 0:
      let named = Packet.byRole(descriptors, message.roles)
      return onEvent(.custody(CustodyCopy(volume: volume, descriptors: named)))
    case .node(let node):
      return onEvent(.node(node, node.isReleased ? nil : Packet.byRole(descriptors, message.roles)[.node]))
    case .withdraw(let key): return onEvent(.withdraw(key))
    default: break
    }
    if message.more {
      return state.withLock { $0.pending[message.id]?.replies.append(message.reply) }
    }
    if message.id == 0, case .failed(let error) = message.reply { return end("\(error)") }
    switch message.reply {
    case .failed(let error): finish(message.id, .failure(error))
    case .unknown: finish(message.id, .failure(.protocolVersion(reason: "the mounter's answer is of another version")))
    default: finish(message.id, .success([message.reply]))
    }
  }

  private func finish(_ id: UInt64, _ outcome: Outcome) {
    guard let call = state.withLock({ $0.pending.removeValue(forKey: id) }) else { return }
    call.finish(outcome.map { call.replies + $0 })
  }

  /// - Returns: the next deadline.
  private func endLateCalls() -> Deadline {
    let now = Deadline.now
    let (late, next) = state.withLock { state in
      let late = state.pending.filter { $0.value.deadline <= now }
      for id in late.keys { state.pending[id] = nil }
      return (Array(late.values), state.pending.values.map(\.deadline).min() ?? .never)
    }
    for call in late { call.finish(.failure(.deadline(step: call.step))) }
    return next
  }

  private func end(_ reason: String) {
    let pending = state.withLock { state in
      state.isClosed = true
      defer { state.pending = [:] }
      return Array(state.pending.values)
    }
    for call in pending { call.finish(.failure(.unreachable(socket: path, reason: reason))) }
    onEvent(.closed)
  }

  /// For the protocol: 0 means none, so that a deadline that has passed is 1.
  private static func milliseconds(until deadline: Deadline) -> UInt32 {
    deadline == .never
      ? 0
      : max(
        1,
        UInt32(
          clamping: deadline.remaining().components.seconds * 1_000
            + deadline.remaining().components.attoseconds / 1_000_000_000_000_000))
  }

  /// For epoll: rounded up, at most a minute.
  private static func pollTime(until deadline: Deadline) -> CInt {
    if deadline == .never { return -1 }
    let left = deadline.remaining()
    return left > .seconds(60) ? 60_000 : CInt(left / .milliseconds(1)) + 1
  }
}
