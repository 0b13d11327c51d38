internal import LinuxSystem
internal import Logging
package import SystemPackage
internal import VolumeModel

/// The mounter as PID 1 of a container: a parent that does next to nothing, so that it does not die. It holds a copy of
/// every volume's descriptors, reaps, passes on signals, and starts the serving mounter again when that dies. Workers are
/// not its business: they survive the serving mounter and are handed to the next.
package final class MounterParent {
  private let log = Logger(label: "mounter-parent")
  private let executable: String
  private let arguments: [String]
  private let socket: String
  private let loop: EventLoop
  private let signals: SignalFD

  /// What is held, by key.
  private var kept: [WorkerKey: CustodyCopy] = [:]
  /// How workers ended that the serving mounter may still ask for.
  private var exits: [Int32: WorkerExit] = [:]
  /// Says that this process will start a mounter.
  private var presence: FileLock?
  private var child: Child?
  private var restarts = RestartPacing()
  private let staysWhenFollowed: Bool
  /// Another parent's mounter serves.
  private var isFollowed = false
  private var isEnding = false
  private var exitCode: Int32 = 0

  /// The serving mounter. Its messages wait in `outbox` while its socket is full.
  private final class Child {
    let process: PidFD
    let socket: SeqpacketSocket
    var token: EventLoop.Token?
    var outbox: [(bytes: [UInt8], descriptors: [SharedDescriptor])] = []

    init(process: PidFD, socket: SeqpacketSocket) {
      self.process = process
      self.socket = socket
    }
  }

  /// The descriptor by which a serving mounter reaches its parent.
  package static let linkDescriptor: CInt = 3
  /// The descriptor on which the first serving mounter says that it serves.
  private static let readyDescriptor: CInt = 4

  /// - Parameters:
  ///   - executable: of this program.
  ///   - arguments: `argv` of the serving mounter, complete.
  ///   - socket: the one that it serves.
  ///   - staysWhenFollowed: where another parent's mounter has taken everything over, wait until that parent is gone, and
  ///     serve again then; otherwise this one ends.
  package init(
    executable: String, arguments: [String], socket: String, staysWhenFollowed: Bool = false
  ) throws(Errno) {
    self.executable = executable
    self.arguments = arguments
    self.socket = socket
    self.staysWhenFollowed = staysWhenFollowed
    loop = try EventLoop()
    signals = try SignalFD([15, 2, 1, 17])
  }

  /// Exit code of a mounter, and of its parent, where another mounter serves the socket.
  package static let succeeded: Int32 = 4

  /// Locked, shared, as long as a parent lives that starts mounters at the socket.
  static func presencePath(_ socket: String) -> String { socket + ".parent" }

  /// Runs until the serving mounter has ended by itself, or another mounter has the socket.
  /// - Parameter readyDescriptor: taken over; where the first serving mounter reports that it serves.
  /// - Returns: the exit code of the program.
  package func run(readyDescriptor: CInt?) throws(Errno) -> Int32 {
    SignalMask.ignoreBrokenPipes()
    // Where this process is not PID 1, as in tests, orphaned workers must come to it all the same.
    try ProcessAttributes.setChildSubreaper(true)
    try ResourceLimit.raiseOpenFiles(to: 65_536)
    _ = try loop.watch(signals.rawValue) { [unowned self] _ in takeSignals() }
    loop.onTimer = { [unowned self] in restartNow() }
    if let slash = socket.lastIndex(of: "/"), slash > socket.startIndex {
      try Folder.makeAll(String(socket[..<slash]))
    }
    presence = try FileLock(sharedAt: Self.presencePath(socket))
    // Closed here once the child has it: the reader sees the end when the child has given its word.
    try start(ready: readyDescriptor.map { SharedDescriptor(Descriptor(adopting: $0)) })
    try loop.run()
    return exitCode
  }

  // MARK: The serving mounter

  private func start(ready: SharedDescriptor?) throws(Errno) {
    let (own, theirs) = try SeqpacketSocket.pair()
    var spawn = Spawn(
      executable: executable, arguments: arguments,
      environment: MounterLauncher.environment + NodeEnvironment.inherited)
    spawn.descriptors = [Self.linkDescriptor: theirs.rawValue]
    if let ready {
      spawn.descriptors[Self.readyDescriptor] = ready.rawValue
      spawn.arguments += ["--ready-fd", "\(Self.readyDescriptor)"]
    }
    let process = try withExtendedLifetime((theirs, ready)) { () throws(Errno) in try spawn.start() }
    let child = Child(process: process, socket: own)
    self.child = child
    restarts.started(at: .now)
    try own.descriptor.setNonBlocking(true)
    child.token = try loop.watch(own.rawValue) { [unowned self] _ in
      flush(child)
      read(child)
    }
    handOver(to: child)
    log.info("the mounter serves", metadata: ["pid": "\(child.process.pid)", "volumes": "\(kept.count)"])
  }

  private func handOver(to child: Child) {
    for volume in kept.values {
      let (roles, descriptors) = volume.parcel
      send(ParentMessage(roles: roles, body: .volume(volume.volume)), descriptors, to: child)
      for (node, descriptor) in volume.nodes {
        let body = ParentMessage.Body.node(NodeCustody(key: volume.key, node: node))
        send(ParentMessage(roles: [.node], body: body), [descriptor], to: child)
      }
    }
    for (pid, exit) in exits { send(ParentMessage(body: .reaped(pid: pid, exit: exit)), [], to: child) }
    exits = [:]
    send(ParentMessage(body: .begin), [], to: child)
  }

  private func send(_ message: ParentMessage, _ descriptors: [SharedDescriptor], to child: Child) {
    child.outbox.append((Wire.encodeFromParent(message), descriptors))
    flush(child)
  }

  private func flush(_ child: Child) {
    while let next = child.outbox.first {
      do throws(Errno) {
        try child.socket.send(next.bytes, sharing: next.descriptors)
        child.outbox.removeFirst()
      } catch .resourceTemporarilyUnavailable {
        break
      } catch {
        // It is gone; its exit is on its way.
        child.outbox = []
      }
    }
    guard let token = child.token else { return }
    try? loop.change(child.socket.rawValue, token, to: child.outbox.isEmpty ? .readable : [.readable, .writable])
  }

  private func read(_ child: Child) {
    while true {
      do throws(Errno) {
        guard
          let packet = try child.socket.receive(
            maxBytes: Packet.maximumBytes, maxDescriptors: Packet.maximumDescriptors)
        else { return unwatch(child) }
        guard let message = try? Wire.messageToParent(packet.bytes) else { continue }
        take(message, packet.descriptors)
      } catch .resourceTemporarilyUnavailable {
        return
      } catch {
        return unwatch(child)
      }
    }
  }

  private func take(_ message: ParentMessage, _ descriptors: [SharedDescriptor]) {
    switch message.body {
    case .volume(let volume):
      let named = Packet.byRole(descriptors, message.roles)
      let key = volume.status.request.key
      kept[key] = CustodyCopy(volume: volume, descriptors: named, nodes: kept[key]?.nodes ?? [:])
    case .node(let node):
      kept[node.key]?.nodes[node.node] = node.isReleased ? nil : Packet.byRole(descriptors, message.roles)[.node]
    case .withdraw(let key): kept[key] = nil
    case .serving: restarts.served()
    case .begin, .reaped, .unknown: break
    }
  }

  private func unwatch(_ child: Child) {
    guard let token = child.token else { return }
    loop.unwatch(child.socket.rawValue, token)
    child.token = nil
  }

  // MARK: Signals

  private func takeSignals() {
    while let signal = try? signals.next() {
      if signal.number == 17 { continue }
      if signal.number == 1 {
        try? child?.process.signal(1)
        continue
      }
      isEnding = true
      // Without a serving mounter there is nobody to ask.
      guard let child else { return loop.stop() }
      try? child.process.signal(signal.number)
    }
    reap()
  }

  private func reap() {
    while let (pid, status) = try? Orphans.reapOne() {
      let exit: WorkerExit =
        switch status {
        case .exited(let code): .exited(code: code)
        case .signalled(let signal, _): .signaled(signal)
        }
      if let child, child.process.pid == pid { served(child, exit) } else { orphanEnded(pid, exit) }
    }
  }

  /// Only what a held volume speaks of is worth remembering.
  private func orphanEnded(_ pid: Int32, _ exit: WorkerExit) {
    guard kept.values.contains(where: { $0.volume.status.pid == pid }) else { return }
    if let child { send(ParentMessage(body: .reaped(pid: pid, exit: exit)), [], to: child) } else { exits[pid] = exit }
  }

  /// The serving mounter has ended. What it had sent before is read first.
  private func served(_ child: Child, _ exit: WorkerExit) {
    read(child)
    unwatch(child)
    self.child = nil
    switch exit {
    case .exited(0) where !isEnding && waitsForTurn(): break
    case .exited(let code) where code == 0 || isEnding: end(code)
    case .signaled where isEnding: end(0)
    // It may be that it could not listen, or was to follow another, which then has everything.
    case .exited(let code) where yields(): end(code)
    case .signaled where yields(): end(Self.succeeded)
    case .exited(let code) where kept.isEmpty && !restarts.hasServed: end(code)
    default:
      let pause = restarts.pause(at: .now)
      log.error("the serving mounter ended: \(exit.sentence); starting it again", metadata: ["pause": "\(pause)"])
      try? loop.wake(at: .after(pause))
    }
  }

  private func end(_ code: Int32) {
    exitCode = code
    loop.stop()
  }

  /// Where another mounter serves the socket, a serving mounter of this parent could not, ever: the other one gets what is
  /// kept, unless it has it already.
  private func yields() -> Bool {
    guard !restarts.hasServed, var successor = Successor(at: socket) else { return false }
    log.notice(
      "another mounter serves the socket: ending",
      metadata: ["socket": "\(socket)", "program": "\(successor.program)", "volumes": "\(kept.count)"])
    for copy in kept.values {
      guard let reason = successor.offer(copy) else { continue }
      log.error("it does not take a volume", metadata: ["volume": "\(copy.key.volumeID)", "reason": "\(reason)"])
    }
    kept = [:]
    return true
  }

  // MARK: Being followed

  private static let lookAfter = Duration.seconds(1)

  /// Where the serving mounter has ended because another one has followed, and this one is to stay. A container that ended
  /// here would be started again at once, and would take over in turn from the one that has followed.
  private func waitsForTurn() -> Bool {
    guard staysWhenFollowed else { return false }
    presence = nil
    guard FileLock.isHeld(at: Self.presencePath(socket)) else { return false }
    log.notice("another mounter has followed: waiting until it is gone", metadata: ["socket": "\(socket)"])
    (kept, exits) = ([:], [:])
    isFollowed = true
    try? loop.wake(at: .after(Self.lookAfter))
    return true
  }

  /// - Returns: false where the one that has followed is still there.
  private func takesTurn() throws(Errno) -> Bool {
    if FileLock.isHeld(at: Self.presencePath(socket)) { return false }
    presence = try FileLock(sharedAt: Self.presencePath(socket))
    isFollowed = false
    return true
  }

  private func restartNow() {
    guard child == nil else { return }
    if isFollowed, (try? takesTurn()) != true {
      try? loop.wake(at: .after(Self.lookAfter))
      return
    }
    do throws(Errno) { try start(ready: nil) } catch {
      log.critical("the mounter cannot be started", metadata: ["error": "\(error)"])
      try? loop.wake(at: .after(restarts.pause(at: .now)))
    }
  }
}
