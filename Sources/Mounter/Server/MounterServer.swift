package import LinuxSystem
internal import Log
internal import Logging
package import SystemPackage
internal import VolumeModel

/// The serving mounter: one thread that waits for clients, workers and time, asks the keeper what to do and does it.
/// Whatever may block runs on threads of `blocking` and comes back by the mailbox.
package final class MounterServer {
  /// How a mounter is set up.
  package struct Configuration: Sendable {
    /// Absolute path; its folder is made 0700 where it is absent.
    package var socket: String
    /// Mounts lie beneath it. Absolute, canonical.
    package var stateDirectory: String
    /// Path of `alluxio-fuse`.
    package var worker: String
    package var log: LogOptions
    /// For the log and for clients: name and version.
    package var program: String
    package var cgroup = CgroupSetting.automatic
    /// How long a worker may answer nothing until the condition says so, and until it is killed.
    package var noticeAfter = Duration.seconds(10)
    package var killAfter = Duration.seconds(120)
    /// Take every volume over from the mounter that has the socket, if one does, and then the socket.
    package var takesOver = false
    /// Who workers for object stores run as: users, and groups of the same numbers, that nobody else on the node is.
    package var workerUsers: Range<UInt32> = 1_900_000_000..<1_900_065_536
    /// This process's own variables; see ``NodeEnvironment``.
    package var environment: [String: String] = [:]
    /// As if the kernel could not send requests again, for tests.
    package var doesWithoutResend = false

    package init(socket: String, stateDirectory: String, worker: String, log: LogOptions, program: String) {
      self.socket = socket
      self.stateDirectory = stateDirectory
      self.worker = worker
      self.log = log
      self.program = program
    }
  }

  let configuration: Configuration
  let log = Logger(label: "mounter")
  let loop: EventLoop
  /// Nil before this mounter has taken over from another, and after another has from this one.
  var listener: SeqpacketListener?
  /// While this mounter takes over from another.
  var takeOver: TakeOver?
  let mailbox: Mailbox
  let closer = Closer()
  let blocking = BlockingThreads(maximumRunning: 256, maximumAbandoned: 256)
  let cgroups: WorkerCgroups
  let standby: StandbyWorker
  let programs: WorkerPrograms
  /// Where this mounter is the child of one that holds its descriptors.
  let parent: ParentLink?

  var keeper: Keeper
  /// What volumes consist of, by key.
  var holdings: [WorkerKey: Holding] = [:]
  var clients: [UInt64: ClientConnection] = [:]
  /// Secrets that came with a call which the keeper has not answered.
  var incomingSecrets: [CallID: SharedDescriptor] = [:]
  /// Of the call that last asked for the volume to be mounted, for the log.
  var traces: [WorkerKey: TraceID] = [:]
  /// The number of the client that came last.
  var lastClient: UInt64 = 0
  private var events: [KeeperEvent] = []
  private var isFeeding = false
  private var hasWarnedOfResend = false
  private var signals: SignalFD?
  private var whenServing: () -> Void = {}
  private var listening: (token: EventLoop.Token, descriptor: CInt)?

  /// Everything of a volume that is not a value.
  final class Holding {
    var mount: VolumeMount?
    var secrets: SharedDescriptor?
    /// Those before, until the worker has said that it uses the present ones.
    var formerSecrets: SharedDescriptor?
    /// How often secrets have come.
    var secretsRevision: UInt64 = 0
    /// As the worker said last.
    var counters: VolumeCounters?
    var activity: WorkerActivity?
    var worker: WorkerProcess?
    var held = HeldDescriptors()
    var hasWarnedOfHeld = false
    var backings = BackingFiles()
  }

  /// Listens. Clients are served by ``run()``.
  /// - Throws: ``MounterError/system(_:step:)``; EADDRINUSE when another mounter has the socket.
  /// - Parameter parent: the socket to the ``MounterParent`` that started this process, if one did.
  package convenience init(_ configuration: Configuration, parent: SharedDescriptor? = nil) throws(MounterError) {
    let link = try parent.map { (socket) throws(MounterError) in
      ParentLink(
        adopting: try failing("adopting the parent's socket") { () throws(Errno) in try socket.descriptor.duplicate() })
    }
    try self.init(configuration, link: link)
  }

  init(_ configuration: Configuration, link: ParentLink?, limits: Keeper.Limits = .init()) throws(MounterError) {
    self.configuration = configuration
    parent = link
    var limits = limits
    limits.watch = Keeper.WatchLimits(notice: configuration.noticeAfter, kill: configuration.killAfter)
    keeper = Keeper(limits: limits)
    let relatives = link == nil ? [ProcessUser.pid] : [ProcessUser.pid, ProcessUser.parent]
    cgroups = WorkerCgroups(
      configuration.cgroup, stateDirectory: configuration.stateDirectory, relatives: Set(relatives), log: log)
    programs = WorkerPrograms(path: configuration.worker)
    standby = try failing("making a timer") { [cgroups, log] () throws(Errno) in
      try StandbyWorker(cgroups: cgroups, log: log)
    }
    loop = try failing("making an event loop") { () throws(Errno) in try EventLoop() }
    mailbox = try failing("making an event loop") { () throws(Errno) in try Mailbox() }
    if configuration.takesOver, let predecessor = try? SeqpacketSocket.connectNonBlocking(to: configuration.socket) {
      takeOver = TakeOver(from: predecessor)
    } else {
      listener = try Self.listen(at: configuration.socket)
    }
  }

  /// Serves until a client asks for the end or the process gets SIGTERM or SIGINT. Then volumes are left as they are: their
  /// workers go on serving.
  /// - Parameter whenServing: called once, as soon as clients are served.
  /// - Throws: ECANCELED where a take-over was given up; the log says why.
  package func run(whenServing: @escaping () -> Void = {}) throws(Errno) {
    self.whenServing = whenServing
    SignalMask.ignoreBrokenPipes()
    try ResourceLimit.raiseOpenFiles(to: 65_536)
    try watchSignals()
    try adoptHoldings()
    cgroups.sweep(keeping: holdings.values.compactMap(\.worker?.cgroup))
    _ = try loop.watch(mailbox.bell.rawValue) { [unowned self] _ in readMailbox() }
    if !holdings.isEmpty { standby.order() }
    _ = try loop.watch(standby.timer.rawValue) { [unowned self] _ in startStandby() }
    loop.onTimer = { [unowned self] in
      lookForProgram()
      takeOver?.timePassed()
      feed(.timePassed)
    }
    loop.afterBatch = { [unowned self] in setTimer() }
    setTimer()
    if let takeOver { try takeOver.begin(self) } else { try serveClients() }
    try loop.run()
    standby.end()
    if takeOver != nil { throw .canceled }
    log.info("ending", metadata: ["volumes": "\(holdings.count)"])
    listener?.removePath()
  }

  /// From now on there is no other mounter.
  func serveClients() throws(Errno) {
    guard let listener else { return }
    listening = (try loop.watch(listener.rawValue) { [unowned self] _ in accept() }, listener.rawValue)
    parent?.serves()
    log.info("serving", metadata: ["socket": "\(configuration.socket)", "program": "\(configuration.program)"])
    whenServing()
    whenServing = {}
  }

  /// Another mounter has every volume now and is to have the socket, and the parent nothing to go on with.
  func yieldSocket() {
    if let listening { loop.unwatch(listening.descriptor, listening.token) }
    listening = nil
    for key in holdings.keys { parent?.withdraw(key) }
    listener = nil
  }

  static func listen(at path: String) throws(MounterError) -> SeqpacketListener {
    do throws(Errno) {
      if let slash = path.lastIndex(of: "/"), slash > path.startIndex { try Folder.makeAll(String(path[..<slash])) }
      // Clients connect without waiting: all that may be served may come at once.
      let listener = try SeqpacketListener(path: path, backlog: 512)
      try listener.descriptor.setNonBlocking(true)
      return listener
    } catch {
      throw .system(error, step: "listening at \(path)")
    }
  }

  private func watchSignals() throws(Errno) {
    let signals = try SignalFD([15, 2, 1])
    self.signals = signals
    _ = try loop.watch(signals.rawValue) { [unowned self] _ in
      while let signal = try? signals.next() {
        if signal.number == 1 {
          lookForProgram(isAsked: true)
          continue
        }
        log.info("ended by a signal; volumes stay mounted", metadata: ["signal": "\(signal.number)"])
        loop.stop()
      }
    }
  }

  /// Tells the keeper of events and does what it wants, in order, until both have nothing more.
  func feed(_ event: KeeperEvent) {
    events.append(event)
    if isFeeding { return }
    isFeeding = true
    while !events.isEmpty {
      for action in keeper.handle(events.removeFirst(), at: .now) { perform(action) }
    }
    isFeeding = false
  }

  private func setTimer() {
    do throws(Errno) { try loop.wake(at: min(keeper.nextDeadline, takeOver?.deadline ?? .never)) } catch {
      log.error("the timer cannot be set", metadata: ["error": "\(error)"])
    }
  }

  private func readMailbox() {
    for letter in mailbox.take() {
      switch letter {
      case .mounted(let request, let outcome):
        for warning in outcome.warnings { log.warning("\(warning)", metadata: metadata(request.key)) }
        holding(request.key).mount = outcome.mount
        warnWithoutResend(outcome.mount)
        feed(.mounted(request.key, connection: outcome.mount.connection))
      case .tried(let program, let outcome): programTried(program, outcome)
      case .event(let event): feed(event)
      }
    }
  }

  /// Said once: what a mount cannot do on this kernel.
  private func warnWithoutResend(_ mount: VolumeMount) {
    guard !mount.granted.contains(.hasResend), !hasWarnedOfResend else { return }
    hasWarnedOfResend = true
    log.warning(
      """
      this kernel is older than 6.9 and cannot send requests again (no FUSE_HAS_RESEND): when a worker dies, whoever had a \
      request in its hands, or needs a directory that such a request was changing, waits until the volume is unmounted; all \
      others go on with the next worker
      """)
  }

  /// The holding of a key, made where there is none.
  func holding(_ key: WorkerKey) -> Holding {
    if let holding = holdings[key] { return holding }
    let holding = Holding()
    holdings[key] = holding
    return holding
  }

  func metadata(_ key: WorkerKey) -> Logger.Metadata {
    var metadata: Logger.Metadata = ["volume": "\(key.volumeID)", "worker": "\(key.name)"]
    if let trace = traces[key] { metadata["trace"] = "\(trace)" }
    return metadata
  }
}
