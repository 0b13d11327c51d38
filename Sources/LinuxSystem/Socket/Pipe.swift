internal import CLinux
package import SystemPackage

/// Both ends of a pipe, CLOEXEC. pipe2(2).
package struct Pipe: Sendable {
  /// Ends (reads nothing) when no process has the writer any more.
  package let reader: SharedDescriptor
  /// Give up with `closeWriter`, so that the reader sees the end once no process has it any more.
  package private(set) var writer: SharedDescriptor?

  package init() throws(Errno) {
    var ends: [CInt] = [-1, -1]
    try Syscall.once { clinux_pipe(&ends) }
    reader = SharedDescriptor(Descriptor(adopting: ends[0]))
    writer = SharedDescriptor(Descriptor(adopting: ends[1]))
  }

  /// The writer's number, to hand it to a child; -1 when it was closed here.
  package var writerNumber: CInt { writer?.rawValue ?? -1 }

  /// Closes this process's writing end, unless somebody else keeps a reference to it.
  package mutating func closeWriter() { writer = nil }
}
