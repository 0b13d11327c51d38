internal import CLinux
import Glibc
package import SystemPackage

/// The device that a FUSE file system is served through.
package enum FuseDevice {
  /// Opens `/dev/fuse` for one new connection; it belongs to no mount until its number goes to mount(2).
  /// - Throws: ENOENT or ENODEV without FUSE in the kernel, EPERM or EACCES without the right to use it.
  package static func open() throws(Errno) -> Descriptor {
    try Descriptor.open("/dev/fuse", O_RDWR)
  }
}

/// The kernel's side of a FUSE file system, by its number under `/sys/fs/fuse/connections`.
package struct FuseConnection: Sendable, Hashable {
  /// Minor device number of the mount, from mountinfo: never from stat(2), which asks the worker.
  package let number: UInt32

  package init(number: UInt32) { self.number = number }
  package init(_ entry: MountEntry) { number = entry.minor }

  private static let folder = "/sys/fs/fuse/connections"
  private var folder: String { "\(Self.folder)/\(number)" }

  /// Ends the connection: every request in flight, and every later one, fails with ECONNABORTED or ENOTCONN.
  ///
  /// The kernel gives the number of a connection that is gone to the next one: only for a caller who knows that this one is
  /// still mounted. Who holds its device has ``abortSwitch(of:)``.
  /// - Throws: ENOENT when the connection is gone already.
  package func abort() throws(Errno) {
    try Self.mountControlFileSystem()
    try WholeFile.write("1", to: "\(folder)/abort")
  }

  /// What ends the connection that `device` serves, and never another one that has got its number meanwhile.
  /// - Returns: nil when the connection is over already.
  package func abortSwitch(of device: borrowing Descriptor) throws(Errno) -> AbortSwitch? {
    try Self.mountControlFileSystem()
    do throws(Errno) {
      let file = try Descriptor.open("\(folder)/abort", O_WRONLY)
      // While the device is connected its number is its own, so that the file that was opened before is its own, too.
      return try device.hasError() ? nil : AbortSwitch(file: file)
    } catch .noSuchFileOrDirectory {
      return nil
    }
  }

  /// Ends one connection, whatever its number means by then.
  package struct AbortSwitch: ~Copyable {
    fileprivate let file: Descriptor

    /// As ``FuseConnection/abort()``; nothing happens to a connection that is over.
    package borrowing func abort() throws(Errno) { try file.writeAll([UInt8(ascii: "1")]) }
  }

  /// Requests that wait for the worker or that it works on.
  /// - Throws: ENOENT when the connection is gone.
  package func waiting() throws(Errno) -> Int {
    try Self.mountControlFileSystem()
    let text = try WholeFile.text("\(folder)/waiting")
    guard let count = Int(text.prefix { $0 != "\n" }) else { throw Errno.ioError }
    return count
  }

  /// Mounts fusectl where the system has not.
  package static func mountControlFileSystem() throws(Errno) {
    if try MountTable.read(along: folder).visible(at: folder)?.type == "fusectl" { return }
    do throws(Errno) {
      try Mount.mount(source: "fusectl", target: folder, type: "fusectl", flags: [.volume, .noExecute])
    } catch .resourceBusy {
      return  // Somebody else was faster.
    }
  }
}
