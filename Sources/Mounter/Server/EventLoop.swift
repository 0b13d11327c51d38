internal import LinuxSystem
internal import SystemPackage

/// Waits for descriptors and a timer on one thread and calls what was registered for them. Nothing that it calls may block.
final class EventLoop {
  /// Names a registration; never used twice.
  typealias Token = UInt64

  private let epoll: Epoll
  private let timer: TimerFD
  private var handlers: [Token: (EpollEvents) -> Void] = [:]
  private var nextToken: Token = 1
  private var isStopped = false

  /// Called when the moment given to ``wake(at:)`` has come.
  var onTimer: () -> Void = {}
  /// Called after each batch of events.
  var afterBatch: () -> Void = {}

  init() throws(Errno) {
    epoll = try Epoll()
    timer = try TimerFD()
    try epoll.add(timer.rawValue, token: 0)
  }

  /// Calls `handler` whenever the descriptor is ready. The caller keeps it open until it has called ``unwatch(_:_:)``.
  func watch(
    _ descriptor: CInt, for events: EpollEvents = .readable, _ handler: @escaping (EpollEvents) -> Void
  ) throws(Errno) -> Token {
    let token = nextToken
    nextToken += 1
    try epoll.add(descriptor, token: token, events: events)
    handlers[token] = handler
    return token
  }

  /// Waits for other events from now on.
  func change(_ descriptor: CInt, _ token: Token, to events: EpollEvents) throws(Errno) {
    try epoll.modify(descriptor, token: token, events: events)
  }

  /// Events that were reported already are dropped as well.
  func unwatch(_ descriptor: CInt, _ token: Token) {
    // Fails only for a descriptor that is not watched, which is what is wanted.
    try? epoll.remove(descriptor)
    handlers[token] = nil
  }

  /// Calls `onTimer` at that moment, and at no other asked for before.
  func wake(at moment: Deadline) throws(Errno) {
    if moment == .never { try timer.disarm() } else { try timer.arm(after: moment.remaining()) }
  }

  /// Runs until ``stop()``.
  func run() throws(Errno) {
    while !isStopped {
      for event in try epoll.wait() {
        if event.token == 0 {
          if try timer.takeExpiry() { onTimer() }
        } else {
          handlers[event.token]?(event.events)
        }
        if isStopped { return }
      }
      afterBatch()
    }
  }

  /// Ends `run` after the event that is being handled.
  func stop() { isStopped = true }
}
