import Glibc

/// What ps(1) shows of a process that learns only after its start what it is for.
package enum ProcessTitle {
  /// An argument that leaves room for a name: one of 128 spaces.
  package static let room = String(repeating: " ", count: 128)

  /// Puts a name where the last argument has left room for it, cut if need be; nothing where it has not.
  package static func put(_ name: String) {
    let count = Int(CommandLine.argc)
    guard count > 0, CommandLine.arguments.last == room, let place = CommandLine.unsafeArgv[count - 1] else { return }
    // SAFETY: the kernel has put the argument's bytes there, the process's own and writable; they end before `room` does.
    for index in 0..<room.utf8.count { place[index] = 0 }
    for (index, byte) in name.utf8.prefix(room.utf8.count).enumerated() { place[index] = CChar(bitPattern: byte) }
  }
}
