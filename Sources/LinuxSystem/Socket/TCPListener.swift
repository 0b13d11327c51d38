import Glibc
package import SystemPackage

/// A TCP socket that accepts connections: what a server is given that does the rest itself.
package struct TCPListener: ~Copyable {
  package let descriptor: Descriptor

  /// Listens.
  /// - Parameter backlog: connections that wait unaccepted.
  /// - Throws: EADDRINUSE, EADDRNOTAVAIL, EACCES and what else bind(2) says.
  package init(_ address: TCPAddress, backlog: CInt = 16) throws(Errno) {
    var lastError = Errno.addressNotAvailable
    for host in address.hosts {
      do throws(Errno) {
        descriptor = try Self.listen(host: host, port: address.port, backlog)
        return
      } catch {
        lastError = error
      }
    }
    throw lastError
  }

  /// The port; the kernel's choice where 0 was asked for.
  package func port() throws(Errno) -> UInt16 {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    // SAFETY: the kernel writes at most `length` bytes of an address, and both kinds have their port at the same place.
    let number = try withUnsafeMutablePointer(to: &storage) { pointer throws(Errno) -> UInt16 in
      try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address throws(Errno) in
        let socket = descriptor.rawValue
        try Syscall.once { getsockname(socket, address, &length) }
      }
      return pointer.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { $0.pointee.sin_port }
    }
    return UInt16(bigEndian: number)
  }

  package consuming func takeDescriptor() -> Descriptor { descriptor }

  private static func listen(host: String, port: UInt16, _ backlog: CInt) throws(Errno) -> Descriptor {
    var hints = addrinfo()
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV
    hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
    var found: UnsafeMutablePointer<addrinfo>?
    guard getaddrinfo(host, String(port), &hints, &found) == 0, let found else { throw .addressNotAvailable }
    defer { freeaddrinfo(found) }
    // SAFETY: the list lives until it is freed above, and its first entry has an address of the length that it says.
    let entry = found.pointee
    let kind = CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
    let number = try Syscall.once { Glibc.socket(entry.ai_family, kind, 0) }
    let socket = Descriptor(adopting: number)
    var yes: CInt = 1
    // A plugin that follows another on the node does not wait for the other's connections to fade.
    try Syscall.once { setsockopt(number, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<CInt>.size)) }
    try Syscall.once { Glibc.bind(number, entry.ai_addr, entry.ai_addrlen) }
    try Syscall.once { Glibc.listen(number, backlog) }
    return socket
  }
}

/// Where to listen: `HOST:PORT`, `[HOST]:PORT` of IPv6, or `:PORT` for all addresses of the machine.
package struct TCPAddress: Sendable, Hashable, CustomStringConvertible {
  /// Numeric; empty: all addresses.
  package let host: String
  package let port: UInt16

  /// Nil where the text is none of the forms.
  package init?(_ text: String) {
    guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else { return nil }
    var host = text[..<colon]
    if host.hasPrefix("[") {
      guard host.hasSuffix("]"), host.count > 2 else { return nil }
      host = host.dropFirst().dropLast()
      guard Self.isNumeric(host, AF_INET6) else { return nil }
    } else {
      guard host.isEmpty || Self.isNumeric(host, AF_INET) else { return nil }
    }
    self.host = String(host)
    self.port = port
  }

  private init(host: String, port: UInt16) { (self.host, self.port) = (host, port) }

  /// The same with another port.
  package func with(port: UInt16) -> Self { Self(host: host, port: port) }

  /// IPv6 takes both kinds of connections where the machine has it.
  var hosts: [String] { host.isEmpty ? ["::", "0.0.0.0"] : [host] }

  package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

  private static func isNumeric(_ host: Substring, _ family: CInt) -> Bool {
    var address = in6_addr()
    // SAFETY: inet_pton(3) writes 16 bytes at most, an address of either family.
    return inet_pton(family, String(host), &address) == 1
  }
}
