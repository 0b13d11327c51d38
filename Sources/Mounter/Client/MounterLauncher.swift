internal import Glibc
package import LinuxSystem
internal import Log
internal import Logging
internal import SystemPackage
internal import VolumeModel

/// Finds a living mounter or starts one that outlives the caller.
package struct MounterLauncher: Sendable {
  /// Absolute path of the socket; its folder is made with mode 0700 if need be.
  package var socket: String
  /// The node plugin's state folder; mounts lie beneath it.
  package var stateDirectory: String
  /// Path of `alluxio-mounter`; nil: beside the running program.
  package var mounter: String?
  /// Path of `alluxio-fuse`; nil: beside the mounter.
  package var worker: String?
  package var log: LogOptions
  /// Further arguments of the mounter.
  package var arguments: [String] = []
  /// File that takes the mounter's standard error; nil: the caller's own.
  package var logFile: String?

  package init(
    socket: String, stateDirectory: String, mounter: String? = nil, worker: String? = nil,
    log: LogOptions = LogOptions(), logFile: String? = nil
  ) {
    self.socket = socket
    self.stateDirectory = stateDirectory
    self.mounter = mounter
    self.worker = worker
    self.log = log
    self.logFile = logFile
  }

  /// Returns once a mounter answers at the socket: the one that was there, or a new one in a session of its own. Two
  /// callers at once end up with one mounter.
  package func ensureRunning(by deadline: Deadline) async throws(MounterError) {
    if try await isAnswering(by: deadline) { return }
    let launcher = self
    let result: Result<Void, MounterError>
    do throws(BlockingCallError) {
      result = try await BlockingCall.run(name: "starting a mounter", deadline: deadline) { () throws(Errno) in
        Result { () throws(MounterError) in try launcher.startOnce() }
      }
    } catch {
      throw .deadline(step: "starting a mounter at \(socket)")
    }
    do throws(MounterError) { try result.get() } catch {
      // Somebody else may have been faster.
      if try await isAnswering(by: deadline) { return }
      throw error
    }
    guard try await isAnswering(by: deadline) else {
      throw .unreachable(socket: socket, reason: "the mounter that was started does not listen")
    }
  }

  /// False where nobody listens at the socket.
  private func isAnswering(by deadline: Deadline) async throws(MounterError) -> Bool {
    do throws(MounterError) {
      try await MounterClient(socket: socket, program: "launcher \(ProgramVersion.text)").connect(by: deadline)
      return true
    } catch .unreachable {
      return false
    }
  }

  /// Starts a mounter while no other caller does, unless one of them just has.
  private func startOnce() throws(MounterError) {
    let step = "starting a mounter at \(socket)"
    let mutex = try failing(step) { () throws(Errno) in
      if let slash = socket.lastIndex(of: "/"), slash > socket.startIndex {
        try Folder.makeAll(String(socket[..<slash]))
      }
      return try FileMutex(path: socket + ".start")
    }
    try mutex.withLock { () throws(MounterError) in
      if try waitForParent() { return }
      try start()
    } onLockFailure: { (error: Errno) in
      .system(error, step: step)
    }
  }

  /// Where a parent lives whose mounter has died, its next mounter is waited for: it has the volumes.
  /// - Returns: whether somebody listens.
  private func waitForParent() throws(MounterError) -> Bool {
    let limit = Deadline.after(Self.patience)
    while (try? SeqpacketSocket.connectNonBlocking(to: socket)) == nil {
      guard FileLock.isHeld(at: MounterParent.presencePath(socket)) else { return false }
      guard !limit.hasPassed else {
        throw .unreachable(socket: socket, reason: "the mounter's parent lives, but no mounter of its serves")
      }
      Deadline.after(.milliseconds(2)).wait()
    }
    return true
  }

  /// Parents wait up to 10 s before they start a mounter that keeps dying.
  private static let patience = Duration.seconds(15)

  /// Starts a mounter and waits for its word.
  private func start() throws(MounterError) {
    let executable = mounter ?? ExecutablePath.beside("alluxio-mounter")
    let line = try failing("starting \(executable)") { () throws(Errno) in
      var ready = try Pipe()
      var spawn = Spawn(
        executable: executable, arguments: arguments(executable),
        environment: Self.environment + NodeEnvironment.inherited)
      spawn.newSession = true
      spawn.workingDirectory = "/"
      spawn.descriptors = [Self.readyDescriptor: ready.writerNumber]
      let log = try logFile.map { (path) throws(Errno) in
        SharedDescriptor(try Descriptor.open(path, O_WRONLY | O_CREAT | O_APPEND, mode: 0o600))
      }
      if let log {
        spawn.descriptors[1] = log.rawValue
        spawn.descriptors[2] = log.rawValue
      }
      let process = try withExtendedLifetime((ready, log)) { () throws(Errno) in try spawn.start() }
      Self.reap(process)
      ready.closeWriter()
      return try Self.line(from: ready.reader.descriptor)
    }
    if line == ReadyNotice.word { return }
    let reason = line.isEmpty ? "it ended at once; its log says why" : line
    throw .unreachable(socket: socket, reason: "\(executable) does not serve: \(reason)")
  }

  /// One line without its end; empty where the writer is gone without a word. Its end may be held open by others.
  private static func line(from reader: borrowing Descriptor) throws(Errno) -> String {
    var bytes: [UInt8] = []
    while !bytes.contains(UInt8(ascii: "\n")), bytes.count < 4_096 {
      let part = try reader.read(upTo: 1_024)
      if part.isEmpty { break }
      bytes += part
    }
    return String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
  }

  /// Waits for the mounter's end on a thread of its own, so that no zombie is left where the caller outlives it.
  private static func reap(_ process: PidFD) { try? reapers.start { _ = try? process.wait() } }

  private static let reapers = BlockingThreads(maximumRunning: 16, maximumAbandoned: 16)

  private func arguments(_ executable: String) -> [String] {
    var arguments = [
      executable, "--socket", socket, "--state-dir", stateDirectory, "--ready-fd", "\(Self.readyDescriptor)",
      "--log-level", log.level.rawValue, "--log-format", log.format.rawValue,
    ]
    if let worker { arguments += ["--worker", worker] }
    return arguments + self.arguments
  }

  private static let readyDescriptor: CInt = 3
  /// What a mounter gets in any case. Two malloc arenas are enough for it and keep it small.
  static let environment = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "MALLOC_ARENA_MAX=2"]
}
