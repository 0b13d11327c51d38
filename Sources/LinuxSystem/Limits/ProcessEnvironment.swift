internal import CLinux
import Glibc

/// The variables that this process was started with. environ(7).
package enum ProcessEnvironment {
  /// The value of a variable, invalid UTF-8 replaced; nil when it is not set. Read before other threads set variables.
  package static func value(of name: String) -> String? {
    getenv(name).map { String(cString: $0) }
  }

  /// All of them, invalid UTF-8 replaced.
  package static var all: [String: String] {
    var values: [String: String] = [:]
    var next = clinux_environment()
    while let entry = next?.pointee {
      let text = String(cString: entry)
      if let equals = text.firstIndex(of: "=") {
        values[String(text[..<equals])] = String(text[text.index(after: equals)...])
      }
      next = next?.successor()
    }
    return values
  }
}
