import Glibc

/// Where programs of this package lie.
package enum ExecutablePath {
  /// The running program.
  package static var own: String {
    (try? SymbolicLink.read("/proc/self/exe")).map { String(decoding: $0, as: UTF8.self) } ?? "/"
  }

  /// A program in the same folder as another, by default the running one.
  package static func beside(_ name: String, of program: String = own) -> String {
    let folder = program.lastIndex(of: "/").map { program[..<$0] } ?? ""
    return "\(folder)/\(name)"
  }
}
