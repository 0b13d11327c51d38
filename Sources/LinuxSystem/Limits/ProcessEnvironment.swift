import Glibc

/// The variables that this process was started with. environ(7).
package enum ProcessEnvironment {
  /// The value of a variable, invalid UTF-8 replaced; nil when it is not set. Read before other threads set variables.
  package static func value(of name: String) -> String? {
    getenv(name).map { String(cString: $0) }
  }
}
