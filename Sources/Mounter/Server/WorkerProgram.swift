internal import LinuxSystem
internal import SystemPackage
internal import VolumeModel

/// A build of the worker: its file as it was when it was found. It is kept open, so that workers can be started of it after
/// another file has taken its name.
final class WorkerProgram: Sendable {
  let number: Int
  let path: String
  /// Nil where there was none.
  let identity: Identity?
  private let file: SharedDescriptor?

  /// Tells a file from one that took its place.
  struct Identity: Sendable, Hashable {
    var device: UInt64
    var inode: UInt64
    var modified: Int64
    var size: Int64

    init(_ status: FileStatus) {
      (device, inode, modified, size) = (status.device, status.inode, status.modificationTime, status.size)
    }

    /// Nil where there is no file now.
    static func now(at path: String) -> Identity? {
      guard let status = try? Descriptor.find(path).status() else { return nil }
      return Identity(status)
    }
  }

  init(number: Int, path: String) {
    (self.number, self.path) = (number, path)
    file = try? SharedDescriptor(Descriptor.find(path))
    identity = (try? file?.descriptor.status()).map { Identity($0) }
  }

  /// What to start: by its name, which people see, as long as that is this file.
  var executable: String {
    guard let file, Identity.now(at: path) != identity else { return path }
    return "/proc/\(ProcessUser.pid)/fd/\(file.rawValue)"
  }

  /// How long a program may take to say what it is.
  private static let patience = Duration.seconds(10)

  /// Starts it without a mount and hears what it is. Blocks for at most ten seconds.
  func tried() -> Result<WorkerBuild, MounterError> {
    let step = "trying the worker's program \(path)"
    do throws(Errno) {
      var output = try Pipe()
      // By its descriptor in any case: what is tried is what will be used.
      let name = file.map { "/proc/\(ProcessUser.pid)/fd/\($0.rawValue)" } ?? path
      var spawn = Spawn(
        executable: name, arguments: ["alluxio-fuse", "worker", "--check"], environment: WorkerProcess.environment)
      spawn.newSession = true
      spawn.workingDirectory = "/"
      spawn.descriptors = [1: output.writerNumber]
      let process = try withExtendedLifetime(output) { () throws(Errno) in try spawn.start() }
      output.closeWriter()
      let limit = Deadline.after(Self.patience)
      let text = try Self.text(from: output.reader, by: limit)
      let left = CInt(max(0, limit.remaining() / .milliseconds(1)))
      if try !process.hasEnded(within: left) { try process.signal(9) }
      let exit = try process.wait()
      if let build = text.split(separator: "\n").compactMap({ WorkerBuild(line: $0) }).first, exit == .exited(code: 0) {
        return .success(build)
      }
      return .failure(.workerFailed(reason: "it does not say what it is, and ended with \(exit)", output: []))
    } catch {
      return .failure(.system(error, step: step))
    }
  }

  /// What it writes until it ends or is late.
  private static func text(from reader: SharedDescriptor, by limit: Deadline) throws(Errno) -> String {
    var bytes: [UInt8] = []
    while bytes.count < 4_096, !limit.hasPassed {
      let left = CInt(max(1, limit.remaining() / .milliseconds(1)))
      guard try reader.descriptor.isReadable(within: left) else { break }
      let part = try reader.descriptor.read(upTo: 4_096)
      if part.isEmpty { break }
      bytes += part
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}

/// The builds that workers may be started of, by number. Belongs to the event loop's thread.
final class WorkerPrograms {
  private let path: String
  private var byNumber: [Int: WorkerProgram] = [:]
  private var lastNumber = 0
  /// The build that is being tried, and those that turned out to be of no use.
  private var isTrying = false
  private var refused: Set<WorkerProgram.Identity> = []
  private var nextLook = Deadline.now

  /// Between two looks for a file that has taken the program's place.
  private static let interval = Duration.seconds(10)

  /// The program as it is now has the number 0.
  init(path: String) {
    self.path = path
    byNumber[0] = WorkerProgram(number: 0, path: path)
  }

  func executable(_ number: Int) -> String { byNumber[number]?.executable ?? path }

  /// - Parameter isAsked: somebody wants every volume to move, to the same build if there is no other.
  /// - Returns: a build that is to be tried; nil where there is none, or one is being tried.
  func candidate(besides current: Int, isAsked: Bool) -> WorkerProgram? {
    guard !isTrying, isAsked || nextLook.hasPassed else { return nil }
    nextLook = .after(Self.interval)
    guard let identity = WorkerProgram.Identity.now(at: path) else { return nil }
    guard isAsked || (identity != byNumber[current]?.identity && !refused.contains(identity)) else { return nil }
    isTrying = true
    lastNumber += 1
    return WorkerProgram(number: lastNumber, path: path)
  }

  /// It has been tried.
  func take(_ program: WorkerProgram, isGood: Bool) {
    isTrying = false
    if isGood {
      byNumber[program.number] = program
    } else {
      refuse(program)
    }
  }

  /// Not to be tried again by itself.
  func refuse(_ number: Int) { if let program = byNumber[number] { refuse(program) } }

  private func refuse(_ program: WorkerProgram) { if let identity = program.identity { refused = [identity] } }

  /// Closes those that no worker is started of any more.
  func keep(only numbers: Set<Int>) { byNumber = byNumber.filter { numbers.contains($0.key) } }
}
