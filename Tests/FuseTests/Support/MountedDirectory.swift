import Glibc
import LinuxSystem
import SystemPackage
import TestSupport
import Testing

/// Who reads and writes the files of a mount.
enum Way: String, CaseIterable, CustomTestStringConvertible {
  /// The worker.
  case served
  /// The kernel, where it can: files that are opened, not those that are made.
  case passed

  var testDescription: String { rawValue }
}

/// A directory served at a mount point by a process of its own, as a person starts it: `alluxio-fuse mount`.
/// Dropped, it unmounts and removes everything.
final class MountedDirectory: Sendable {
  let folder: TemporaryDirectory
  /// The directory that is shown.
  let source: String
  /// Where it is shown.
  let path: String
  let server: PidFD

  /// Returns when requests are served.
  /// - Parameters:
  ///   - options: arguments behind source and mount point.
  ///   - source: the directory to show; nil: a fresh one.
  ///   - folder: where the mount point is made, and what is kept as long as the mount.
  ///   - descriptorLimit: the server's RLIMIT_NOFILE, soft and hard.
  init(
    _ options: [String] = [], _ way: Way = .passed, source: String? = nil, in folder: TemporaryDirectory? = nil,
    descriptorLimit: Int? = nil
  ) throws {
    let folder = try folder ?? TemporaryDirectory("fuse")
    self.folder = folder
    // Other users come this way.
    chmod(folder.path, 0o755)
    self.source = try source ?? folder.makeDirectory("source", mode: 0o777)
    if source == nil { chmod(self.source, 0o777) }
    path = try folder.makeDirectory("mount")
    let command =
      [try builtProduct("alluxio-fuse"), "mount", "file://\(self.source)", path] + options
      + (way == .served ? ["-o", "passthrough=false"] : [])
    var arguments = command
    if let descriptorLimit {
      arguments = ["/bin/sh", "-c", "ulimit -n \(descriptorLimit) && exec \"$0\" \"$@\""] + command
    }
    var pipe = try Pipe()
    server = try Spawn.start(arguments, writing: [1], to: &pipe)
    // The line that says so comes when the mount is served; the end of the pipe comes when it failed.
    guard try !pipe.reader.descriptor.read(upTo: 4096).isEmpty else { throw Errno.connectionRefused }
  }

  deinit { _ = try? unmount() }

  /// Ends the server as Ctrl-C does. - Returns: how it ended.
  @discardableResult
  func unmount() throws(Errno) -> ProcessExit? {
    try? server.signal(SIGINT)
    do throws(Errno) {
      return try Waiting.untilEnded(server)
    } catch .timedOut {
      try? Mount.unmount(path, flags: [.detach, .force])
      try? server.signal(SIGKILL)
      return try Waiting.untilEnded(server)
    } catch .noChildProcess {
      return nil
    } catch .noSuchProcess {
      return nil
    }
  }

  /// `path/name`, through the mount.
  func at(_ name: String) -> String { "\(path)/\(name)" }
  /// `source/name`, beside the mount.
  func beside(_ name: String) -> String { "\(source)/\(name)" }
}

extension Spawn {
  /// Starts a program that has the pipe's writing end as its descriptors `outputs`, and nobody else has it.
  static func start(_ arguments: [String], writing outputs: [CInt], to pipe: inout Pipe) throws(Errno) -> PidFD {
    var spawn = Spawn(
      executable: arguments[0], arguments: arguments,
      environment: [
        "PATH=/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL=C",
        // Mounts pass all files on that they can; see ServedVolume.
        "ALLUXIO_PASSTHROUGH_FROM=0",
      ])
    for number in outputs { spawn.descriptors[number] = pipe.writerNumber }
    let process = try spawn.start()
    pipe.closeWriter()
    return process
  }
}
