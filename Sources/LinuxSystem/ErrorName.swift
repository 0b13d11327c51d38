internal import CLinux

/// Names of error numbers, as manuals have them. strerrorname_np(3).
package enum ErrorName {
  /// `ENOENT`; the number itself where it has no name.
  package static func of(_ number: Int32) -> String {
    // SAFETY: the texts are constants of the C library.
    clinux_error_name(number).map { String(cString: $0) } ?? "\(number)"
  }
}
