internal import CLinux
import Glibc
package import SystemPackage

/// A FUSE file system that was just mounted and whose FUSE_INIT is answered: requests wait in `device` for a worker.
package struct FuseMount: ~Copyable, Sendable {
  /// File system type and source, as mountinfo shows them.
  package static let type = "fuse.alluxio-fuse"
  package static let source = "alluxio-fuse"

  /// Whoever holds it keeps the mount alive.
  package let device: Descriptor
  /// Number under `/sys/fs/fuse/connections`.
  package let connection: FuseConnection
  package let request: FuseInitRequest
  package let reply: FuseInitReply

  /// Which step failed, for the message; the mount is taken away again.
  package struct Failure: Error, Sendable, Hashable {
    /// What was being done.
    package enum Step: Sendable, Hashable { case openingDevice, mounting, readingInit, answeringInit, findingMount }
    /// Where it failed, and with what.
    package let step: Step
    package let error: Errno
  }

  /// Mounts at `target`, an existing directory, and agrees with the kernel on what the table of capabilities says.
  ///
  /// Blocks on nothing: the kernel has queued FUSE_INIT when mount(2) returns.
  /// - Parameters:
  ///   - target: absolute and canonical: no symbolic links, `.` and `..`.
  ///   - flags: for this mount; bind mounts of it have their own.
  ///   - onRequest: capabilities beyond the table that this mount asks for.
  ///   - withheld: capabilities that count as not offered, as by an older kernel.
  package static func mount(
    at target: String, flags: MountFlags = .volume, onRequest: FuseInitFlags = [], withheld: FuseInitFlags = []
  ) throws(Failure) -> FuseMount {
    let device = try attempt(.openingDevice) { () throws(Errno) in try FuseDevice.open() }
    let options = options(descriptor: device.rawValue)
    try attempt(.mounting) { () throws(Errno) in
      try Mount.mount(source: source, target: target, type: type, flags: flags, data: options)
    }
    do throws(Failure) {
      let (request, reply) = try agree(device, onRequest: onRequest, withheld: withheld)
      let entry = try attempt(.findingMount) { () throws(Errno) in
        try MountTable.read(along: target).visible(at: target)
      }
      guard let entry, entry.type == type else { throw Failure(step: .findingMount, error: .noSuchFileOrDirectory) }
      return FuseMount(device: device, connection: FuseConnection(entry), request: request, reply: reply)
    } catch {
      try? Mount.unmount(target, flags: [.detach, .noFollow])
      throw error
    }
  }

  /// Mount options of the kernel's FUSE: `default_permissions` lets the kernel check modes and ACLs, `allow_other` lets
  /// others than root in. `max_read` belongs here and only here.
  private static func options(descriptor: CInt) -> String {
    "fd=\(descriptor),rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions,max_read=\(FuseInitReply.maxWrite)"
  }

  private static func agree(
    _ device: borrowing Descriptor, onRequest: FuseInitFlags, withheld: FuseInitFlags
  ) throws(Failure) -> (FuseInitRequest, FuseInitReply) {
    // The kernel refuses to read into less than 8192 bytes.
    let bytes: [UInt8]
    do throws(Errno) { bytes = try device.read(upTo: 65_536) } catch {
      throw Failure(step: .readingInit, error: error)
    }
    guard let request = try? FuseInitRequest(bytes: bytes) else {
      throw Failure(step: .readingInit, error: .protocolError)
    }
    let reply = FuseInitReply(to: request, onRequest: onRequest, withheld: withheld)
    do throws(Errno) { try device.writeAll(reply.bytes) } catch {
      throw Failure(step: .answeringInit, error: error)
    }
    return (request, reply)
  }

  private static func attempt<R: ~Copyable>(
    _ step: Failure.Step, _ body: () throws(Errno) -> R
  ) throws(Failure) -> R {
    do throws(Errno) { return try body() } catch { throw Failure(step: step, error: error) }
  }
}

extension FuseConnection {
  /// Sets how far the kernel reads ahead in this file system, which is 128 KiB until it is told: requests then grow to 1 MiB.
  /// - Throws: ENOENT without a mount of that number, EROFS where /sys is read-only, as in many containers.
  package func setReadAhead(bytes: UInt64) throws(Errno) {
    let file = try Descriptor.open("/sys/class/bdi/0:\(number)/read_ahead_kb", O_WRONLY)
    try file.writeAll(Array("\(bytes / 1024)".utf8))
  }
}
