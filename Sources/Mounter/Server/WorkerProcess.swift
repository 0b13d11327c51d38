internal import LinuxSystem
internal import SystemPackage
internal import VolumeModel

/// A running worker and what connects the mounter to it. Belongs to the event loop's thread.
final class WorkerProcess {
  let process: PidFD
  /// The mounter's end of the worker's descriptor 3. Non-blocking.
  let control: SeqpacketSocket
  /// The read end of the worker's standard error. Non-blocking.
  let output: SharedDescriptor
  var lines = WorkerOutput()
  /// An earlier mounter of the same parent had started it: the parent says how it ended.
  var isReapedByParent = false
  /// Its own; nil where it has none.
  var cgroup: MemoryCgroup?
  /// Commands reach it.
  let canBeAsked: Bool
  /// What the event loop calls them.
  var tokens: (process: EventLoop.Token, control: EventLoop.Token?, output: EventLoop.Token?)?

  init(process: PidFD, control: SeqpacketSocket, output: SharedDescriptor) {
    self.process = process
    self.control = control
    self.output = output
    canBeAsked = true
  }

  /// A worker of which nothing is left but the process: it can be killed, and its end seen.
  init(unreachable process: PidFD) throws(Errno) {
    self.process = process
    let (own, _) = try SeqpacketSocket.pair()
    try own.descriptor.setNonBlocking(true)
    control = own
    output = try Pipe().reader
    canBeAsked = false
  }

  /// What a next mounter needs of it; without those that could not be copied.
  var descriptors: [DescriptorRole: SharedDescriptor] {
    var copies: [DescriptorRole: SharedDescriptor] = [:]
    copies[.workerProcess] = try? SharedDescriptor(process.descriptor.duplicate())
    guard canBeAsked else { return copies }
    copies[.workerControl] = try? SharedDescriptor(control.descriptor.duplicate())
    copies[.workerOutput] = output
    return copies
  }

  /// Starts a worker that waits for its configuration on descriptor 3.
  /// - Parameters:
  ///   - executable: path of `alluxio-fuse`.
  ///   - key: nil: of no volume yet.
  static func start(executable: String, for key: WorkerKey?) throws(MounterError) -> WorkerProcess {
    let step = "starting \(executable)"
    return try failing(step) { () throws(Errno) in
      let (own, theirs) = try SeqpacketSocket.pair()
      try own.descriptor.setNonBlocking(true)
      let pipe = try Pipe()
      try pipe.reader.descriptor.setNonBlocking(true)
      // The volume's name is for people who look at the processes: the worker only writes it there when it gets its volume
      // later.
      let name = key?.volumeID ?? ProcessTitle.room
      var spawn = Spawn(
        executable: executable, arguments: ["alluxio-fuse", "worker", name], environment: environment)
      // A terminal's Ctrl-C ends the plugin, not the mounts.
      spawn.newSession = true
      spawn.workingDirectory = "/"
      spawn.descriptors = [
        1: pipe.writerNumber, 2: pipe.writerNumber, WorkerChannel.descriptorNumber: theirs.rawValue,
      ]
      let process = try withExtendedLifetime((theirs, pipe)) { () throws(Errno) in try spawn.start() }
      return WorkerProcess(process: process, control: own, output: pipe.reader)
    }
  }

  /// All that a worker gets from its mounter. Two malloc arenas are enough for its threads and keep it small. Swift's
  /// backtraces of a crash take a second, for which every application would wait.
  static let environment = [
    "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "MALLOC_ARENA_MAX=2", "SWIFT_BACKTRACE=enable=no",
  ]

  /// Sends a packet; a worker that does not read loses it when its socket is full.
  func send(_ message: CommandMessage, descriptors: [SharedDescriptor] = []) throws(Errno) {
    try control.send(Wire.encode(message), sharing: descriptors)
  }

  /// Packets that wait for room in the socket.
  private var outbox: [[UInt8]] = []

  /// What the control socket is watched for.
  var interest: EpollEvents { outbox.isEmpty ? .readable : [.readable, .writable] }

  /// Sends now or when the worker reads again.
  func post(_ message: CommandMessage) {
    outbox.append(Wire.encode(message))
    flush()
  }

  /// Sends what waits, as far as the socket takes it; a worker that is gone needs nothing.
  func flush() {
    while let packet = outbox.first {
      do throws(Errno) { try control.send(packet) } catch {
        if error != .resourceTemporarilyUnavailable { outbox = [] }
        return
      }
      outbox.removeFirst()
    }
  }

  /// A report with the descriptor that came beside it.
  struct Report {
    var message: ReportMessage
    var node: SharedDescriptor?
  }

  /// Reports that have arrived; `isOpen` is false once the worker has closed its end.
  func receive() -> (reports: [Report], isOpen: Bool) {
    var reports: [Report] = []
    while true {
      do throws(Errno) {
        guard let packet = try control.receive(maxBytes: Packet.maximumReportBytes, maxDescriptors: 1) else {
          return (reports, false)
        }
        // A worker may be in any state: what cannot be read says nothing.
        guard let message = try? Wire.report(packet.bytes) else { continue }
        reports.append(Report(message: message, node: Packet.byRole(packet.descriptors, message.roles)[.node]))
      } catch .resourceTemporarilyUnavailable {
        return (reports, true)
      } catch .messageTooLong {
        continue
      } catch {
        return (reports, false)
      }
    }
  }

  /// Lines that have arrived; `isOpen` is false at the end of the output.
  func readOutput() -> (lines: [String], isOpen: Bool) {
    var complete: [String] = []
    // At most 64 KiB at a time: others wait for the loop too.
    for _ in 0..<16 {
      do throws(Errno) {
        let bytes = try output.descriptor.read(upTo: 4_096)
        if bytes.isEmpty { return (complete + lines.finish(), false) }
        complete += lines.append(bytes)
      } catch .resourceTemporarilyUnavailable {
        return (complete, true)
      } catch {
        return (complete + lines.finish(), false)
      }
    }
    return (complete, true)
  }
}
