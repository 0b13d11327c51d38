import Glibc
import LinuxSystem
import SystemPackage

/// Pages that processes of this node fetch, where they share a folder: each is one byte of the file `flights-1`, locked by the
/// open file description of who fetches it, so that the kernel frees it when its holder dies. No disk is asked.
///
/// Two pages of one byte would wait for each other in vain, once: the byte is 62 bits of the page's key.
final class FlightLocks: Sendable {
  private static let name = Array("flights-1".utf8) + [0]
  private let file: Descriptor

  /// - Parameter mode: of the file, where it is made.
  init(in folder: borrowing Descriptor, mode: UInt32) throws(Errno) {
    file = try folder.open(name: Self.name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, mode: mode)
  }

  private static func place(_ key: UInt64) -> Int64 { Int64(key & (1 << 62 - 1)) }

  /// - Returns: whether this process has it now; where nothing can be locked, it may as well fetch.
  func take(_ key: UInt64) -> Bool {
    do throws(Errno) { try RangeLock.take(Self.place(key), of: file) } catch {
      return error != .resourceTemporarilyUnavailable
    }
    return true
  }

  /// Whether another process has it.
  func isTaken(_ key: UInt64) -> Bool { RangeLock.isTaken(Self.place(key), of: file) }

  func release(_ key: UInt64) { RangeLock.release(Self.place(key), of: file) }
}
