internal import CCurl
import Glibc
internal import LinuxSystem
import Synchronization
internal import SystemPackage

/// The thread that serves all transfers of a client. libcurl-multi(3).
// SAFETY (Sendable): `multi` is used by others only to wake the thread, which libcurl allows, and under the mailbox's lock,
// where `isOver` tells that it is gone. All other variables belong to the thread.
final class TransferLoop: @unchecked Sendable {
  /// What others ask of the thread.
  enum Command {
    case start(HTTPTransfer)
    case cancel(HTTPTransfer)
    case resume(HTTPTransfer)
  }

  private struct Mailbox {
    var commands: [Command] = []
    var isEnding = false
    /// The thread is done, and `multi` is gone.
    var isOver = false
    var thread: DetachedThread?
  }

  private let library: CurlLibrary
  private let multi: UnsafeMutableRawPointer
  private let settings: TransferSettings
  private let mailbox = Mutex(Mailbox())
  private let monitor = Monitor()
  private let hasEnded: Condition
  private let made = Atomic(0)

  private var active: [ObjectIdentifier: ActiveTransfer] = [:]
  /// When transfers are to be looked at again for their deadlines, unless something happens before.
  private var nextLook = Deadline.never
  /// Something has happened since they were looked at.
  private var hasMoved = false
  /// Handles that are not in use. A handle remembers TLS sessions, so that the next connection costs less.
  private var idle: [UnsafeMutableRawPointer] = []

  init(library: CurlLibrary, configuration: HTTPConfiguration) throws(HTTPError) {
    guard let multi = library.functions.pointee.multi_init() else {
      throw HTTPError(.other, "there is no memory for another HTTP client")
    }
    self.library = library
    self.multi = multi
    settings = TransferSettings(configuration, library: library)
    hasEnded = Condition(of: monitor)
    set(CURLMOPT_MAX_HOST_CONNECTIONS, configuration.connectionsPerHost)
    set(CURLMOPT_MAX_TOTAL_CONNECTIONS, configuration.connections)
    set(CURLMOPT_MAXCONNECTS, configuration.idleConnections)
    set(CURLMOPT_PIPELINING, configuration.allowsHTTP2 ? Int(CURLPIPE_MULTIPLEX) : Int(CURLPIPE_NOTHING))
  }

  private func set(_ option: CURLMoption, _ value: Int) {
    _ = ccurl_multi_set_long(library.functions, multi, option, value)
  }

  /// Starts the thread. Once.
  func start() throws(HTTPError) {
    do throws(Errno) {
      let thread = try DetachedThread.start(name: "http", stackSize: 512 << 10) { self.run() }
      mailbox.withLock { $0.thread = thread }
    } catch {
      _ = library.functions.pointee.multi_cleanup(multi)
      throw HTTPError(.other, "no thread could be started for HTTP: \(error)")
    }
  }

  /// Whether this is the thread that serves transfers.
  var isCurrentThread: Bool { mailbox.withLock { !$0.isOver && $0.thread == .current } }

  /// Connections that were made so far.
  var connectionsMade: Int { made.load(ordering: .relaxed) }

  /// Has the thread do something soon. After the end a start is cancelled at once, and everything else means nothing.
  func enqueue(_ command: Command) {
    let isTaken = mailbox.withLock { mailbox in
      if mailbox.isEnding { return false }
      mailbox.commands.append(command)
      if mailbox.commands.count == 1 { wake() }
      return true
    }
    if !isTaken, case .start(let transfer) = command { transfer.completion(.failure(Self.ended)) }
  }

  /// Has the thread cancel everything and end.
  func end() {
    mailbox.withLock { mailbox in
      guard !mailbox.isEnding else { return }
      mailbox.isEnding = true
      wake()
    }
  }

  /// Waits until the thread has let go of everything.
  func waitForEnd() {
    monitor.locked {
      while !mailbox.withLock({ $0.isOver }) { hasEnded.wait() }
    }
  }

  /// With the mailbox's lock held, before the end.
  private func wake() { _ = library.functions.pointee.multi_wakeup(multi) }

  private static let ended = HTTPError(.cancelled, "the HTTP client was shut down")
}

// What runs on the thread.
extension TransferLoop {
  private func run() {
    Self.blockBrokenPipe()
    var unstarted: [Command] = []
    while takeCommands(&unstarted) {
      var running: CInt = 0
      _ = library.functions.pointee.multi_perform(multi, &running)
      finishDone()
      poll(until: failLate())
    }
    for transfer in Array(active.values) { finish(transfer, .failure(Self.ended)) }
    for case .start(let transfer) in unstarted { transfer.completion(.failure(Self.ended)) }
    for handle in idle { library.functions.pointee.easy_cleanup(handle) }
    idle = []
    mailbox.withLock { mailbox in
      _ = library.functions.pointee.multi_cleanup(multi)
      mailbox.isOver = true
    }
    monitor.locked { hasEnded.broadcast() }
  }

  /// Before 7.87 OpenSSL writes with write(2): a peer that has hung up would end the process (SIGPIPE). The library keeps
  /// it off only where it may change how all threads of the process see the signal.
  private static func blockBrokenPipe() {
    var signals = sigset_t()
    sigemptyset(&signals)
    sigaddset(&signals, SIGPIPE)
    pthread_sigmask(SIG_BLOCK, &signals, nil)
  }

  /// - Parameter unstarted: what is left to do when the client ends.
  /// - Returns: false when it ends.
  private func takeCommands(_ unstarted: inout [Command]) -> Bool {
    let (commands, isEnding) = mailbox.withLock { mailbox in
      let commands = mailbox.commands
      mailbox.commands = []
      return (commands, mailbox.isEnding)
    }
    if isEnding {
      unstarted = commands
      return false
    }
    if !commands.isEmpty { hasMoved = true }
    for command in commands {
      switch command {
      case .start(let transfer): begin(transfer)
      case .cancel(let transfer):
        guard let active = active[ObjectIdentifier(transfer)] else { continue }
        finish(active, .failure(active.error(.cancelled)))
      case .resume(let transfer):
        guard let active = active[ObjectIdentifier(transfer)] else { continue }
        if let failure = active.resume() { finish(active, .failure(failure)) }
      }
    }
    return true
  }

  private func begin(_ transfer: HTTPTransfer) {
    guard let handle = idle.popLast() ?? library.functions.pointee.easy_init() else {
      return transfer.completion(.failure(HTTPError(.other, "there is no memory for another request")))
    }
    let new: ActiveTransfer
    do throws(HTTPError) {
      new = try ActiveTransfer(transfer, handle: handle, settings: settings)
    } catch {
      recycle(handle)
      return transfer.completion(.failure(error))
    }
    active[ObjectIdentifier(transfer)] = new
    let code = library.functions.pointee.multi_add_handle(multi, handle)
    if code != CURLM_OK { finish(new, .failure(new.error(.other, "it could not be started (\(code.rawValue))"))) }
  }

  /// Ends the transfers that the library is done with.
  private func finishDone() {
    var left: CInt = 0
    while let message = library.functions.pointee.multi_info_read(multi, &left) {
      guard message.pointee.msg == CURLMSG_DONE, let handle = message.pointee.easy_handle else { continue }
      // The message is gone with the next call.
      let code = ccurl_message_result(message)
      guard let transfer = ActiveTransfer.of(handle, library) else { continue }
      finish(transfer, transfer.result(code))
    }
  }

  /// How late a deadline may be noticed, while there is something to do.
  private static let lateness = Duration.milliseconds(10)

  /// Ends the transfers whose time is up.
  /// - Returns: when to look again.
  private func failLate() -> Deadline {
    let now = Deadline.now
    // With each sign of life a transfer has another deadline: too much to compute with every event where there are many.
    if hasMoved { nextLook = min(nextLook, now.advanced(by: Self.lateness)) }
    if now < nextLook { return nextLook }
    var next = Deadline.never
    for transfer in Array(active.values) {
      let (deadline, phase) = transfer.deadline
      if deadline <= now {
        finish(transfer, .failure(transfer.error(.timeout(phase))))
      } else if deadline < next {
        next = deadline
      }
    }
    nextLook = next
    hasMoved = false
    return next
  }

  private func poll(until deadline: Deadline) {
    let (seconds, attoseconds) = deadline.remaining().components
    // Rounded up, or it would spin through the last millisecond. The library wakes earlier for timers of its own.
    let milliseconds = seconds >= 60 ? 60_000 : CInt(seconds * 1000 + attoseconds / 1_000_000_000_000_000) + 1
    var events: CInt = 0
    _ = library.functions.pointee.multi_poll(multi, nil, 0, milliseconds, &events)
    if events > 0 { hasMoved = true }
  }

  /// Lets go of the handle, then tells the owner, who may start the next transfer.
  private func finish(_ transfer: ActiveTransfer, _ result: Result<HTTPResponseHead, HTTPError>) {
    active[ObjectIdentifier(transfer.transfer)] = nil
    made.add(transfer.connectionsMade, ordering: .relaxed)
    _ = library.functions.pointee.multi_remove_handle(multi, transfer.handle)
    recycle(transfer.handle)
    transfer.transfer.completion(result)
  }

  private func recycle(_ handle: UnsafeMutableRawPointer) {
    library.functions.pointee.easy_reset(handle)
    // A stream of a connection that others still use leaves the handle with its receive buffer, which keeps memory and
    // whose size can no longer be set.
    let size = ccurl_set_long(library.functions, handle, CURLOPT_BUFFERSIZE, settings.configuration.receiveBuffer)
    guard size == CURLE_OK, idle.count < settings.configuration.idleConnections else {
      return library.functions.pointee.easy_cleanup(handle)
    }
    idle.append(handle)
  }
}
