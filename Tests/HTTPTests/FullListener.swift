import Glibc
import LinuxSystem
import SystemPackage

/// A listening socket whose queue is full, so that the kernel answers no further connection.
final class FullListener: Sendable {
  let port: UInt16
  private let sockets: [SharedDescriptor]

  init() throws(Errno) {
    let listener = try Self.socket(blocking: true)
    var (address, length) = (sockaddr_in(), socklen_t(MemoryLayout<sockaddr_in>.size))
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    let pointer = UnsafeMutablePointer<sockaddr_in>.allocate(capacity: 1)
    defer { pointer.deallocate() }
    pointer.initialize(to: address)
    let generic = UnsafeMutableRawPointer(pointer).assumingMemoryBound(to: sockaddr.self)
    try Syscall.once { bind(listener.rawValue, generic, length) }
    try Syscall.once { listen(listener.rawValue, 0) }
    try Syscall.once { getsockname(listener.rawValue, generic, &length) }
    port = UInt16(bigEndian: pointer.pointee.sin_port)
    var sockets = [listener]
    // A queue of 0 takes one or two; the rest waits for ever.
    for _ in 0..<4 {
      let client = try Self.socket(blocking: false)
      connect(client.rawValue, generic, length)
      sockets.append(client)
    }
    self.sockets = sockets
  }

  private static func socket(blocking: Bool) throws(Errno) -> SharedDescriptor {
    let type = CInt(SOCK_STREAM.rawValue) | (blocking ? 0 : CInt(SOCK_NONBLOCK.rawValue))
    return SharedDescriptor(Descriptor(adopting: try Syscall.once { Glibc.socket(AF_INET, type, 0) }))
  }
}
