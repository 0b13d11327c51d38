package import SystemPackage

extension FileName {
  /// Refuses what could lead out of a directory or is hidden. The kernel sends no such names; a test or a damaged state may.
  /// - Throws: EINVAL for empty, `.`, `..` and names with a slash or NUL inside; ENAMETOOLONG beyond 255 bytes; ENOENT for
  ///   hidden names.
  package func check() throws(Errno) {
    let count = nulTerminated.count - 1
    guard count > 0 else { throw .malformedName }
    guard count <= 255 else { throw .longName }
    for index in 0..<count where nulTerminated[index] == 0x2F || nulTerminated[index] == 0 { throw .malformedName }
    if nulTerminated[0] == 0x2E {
      if count == 1 || (count == 2 && nulTerminated[1] == 0x2E) { throw .malformedName }
      if HiddenName.isHidden(nulTerminated.span) { throw .hiddenName }
    }
  }

  /// As `check`, for a name that is about to appear. - Throws: EPERM for hidden names.
  package func checkNew() throws(Errno) {
    do { try check() } catch { throw error == .hiddenName ? .reservedName : error }
  }
}
