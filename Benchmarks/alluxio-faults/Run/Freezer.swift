import Foundation
import LinuxSystem

/// File systems that do not answer, and that answer EIO only. ioctl(2) of the kernel's file systems.
enum Freezer {
  private static let freezeRequest: UInt = 0xC004_5877
  private static let thawRequest: UInt = 0xC004_5878
  private static let shutdownRequest: UInt = 0x8004_587D

  /// Whoever writes waits, in state D, until `thaw`.
  static func freeze(_ path: String) throws { try control(path, freezeRequest) }

  /// - Throws: EINVAL where it is not frozen.
  static func thaw(_ path: String) throws { try control(path, thawRequest) }

  /// From here on every access to an ext4 or xfs answers EIO, as after the loss of its disk.
  static func shutDown(_ path: String) throws {
    let directory = try Descriptor.open(path, O_RDONLY | O_DIRECTORY)
    // Neither the journal nor anything else is written any more.
    var flags: UInt32 = 2
    guard ioctl(directory.rawValue, shutdownRequest, &flags) == 0 else {
      throw FaultError("\(path) cannot be shut down: errno \(errno)")
    }
  }

  private static func control(_ path: String, _ request: UInt) throws {
    let directory = try Descriptor.open(path, O_RDONLY | O_DIRECTORY)
    guard ioctl(directory.rawValue, request, 0 as CInt) == 0 else {
      throw FaultError("\(path) cannot be frozen or thawed: errno \(errno)")
    }
  }

  /// Programs that make a disk of a file.
  private static let programs = ["/usr/sbin/mkfs.ext4", "/usr/bin/mount"]
  static var canMakeDisk: Bool { (programs + ["/dev/loop-control"]).allSatisfy { access($0, F_OK) == 0 } }

  /// An ext4 of its own on a loop device, at `path`; its blocks are in a file beside it. Ends with its last mount.
  static func makeDisk(at path: String) throws {
    let image = "\(path).image"
    let file = try Descriptor.open(image, O_RDWR | O_CREAT | O_EXCL, mode: 0o600)
    guard ftruncate(file.rawValue, 256 << 20) == 0 else { throw FaultError("no room for \(image)") }
    // Without a journal, whose commits make every fsync wait for all that others have written.
    try run(programs[0], ["-q", "-F", "-O", "^has_journal", "-E", "lazy_itable_init=0", image])
    try run(programs[1], ["-o", "loop", image, path])
    try Folder.removeEmpty("\(path)/lost+found")
  }

  private static func run(_ program: String, _ arguments: [String]) throws {
    let spawn = Spawn(
      executable: program, arguments: [program] + arguments, environment: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"])
    let exit = try spawn.start().wait()
    guard exit.isSuccess else { throw FaultError("\(program) \(arguments.joined(separator: " ")): \(exit)") }
  }
}
