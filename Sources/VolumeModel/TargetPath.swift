/// Where the kubelet wants a volume: absolute, lexically normal and beneath the kubelet's folder.
///
/// The check is of the text alone. Whoever opens the path must still refuse symlinks.
package struct TargetPath: Sendable, Hashable, CustomStringConvertible {
  /// Without a trailing slash.
  package let path: String
  package var description: String { path }

  /// Longest path that the kernel takes, with its NUL (PATH_MAX).
  private static let longestPath = 4096
  /// NAME_MAX of every file system that the kubelet may be on.
  private static let longestComponent = 255

  package enum PathError: Error, Hashable, CustomStringConvertible {
    case empty
    case relative
    case tooLong(bytes: Int)
    /// `.`, `..` or an empty component.
    case notNormal
    case outside(kubeletDirectory: String)
    /// A component over NAME_MAX.
    case longComponent

    package var description: String {
      switch self {
      case .empty: "is empty"
      case .relative: "is not absolute"
      case .tooLong(let bytes): "has \(bytes) bytes; the kernel takes \(TargetPath.longestPath - 1)"
      case .notNormal: "contains '.', '..' or '//'; give the path itself"
      case .longComponent:
        "has a component of more than \(TargetPath.longestComponent) bytes, which no file system takes"
      case .outside(let directory):
        "is not beneath \(directory); start the plugin with the kubelet's folder as --kubelet-dir"
      }
    }
  }

  /// - Parameter kubeletDirectory: absolute and normal; a target is strictly beneath it.
  package init(_ text: String, beneath kubeletDirectory: String) throws(PathError) {
    guard !text.isEmpty else { throw .empty }
    guard PathComponents.has(text, prefix: "/") else { throw .relative }
    guard text.utf8.count < Self.longestPath else { throw .tooLong(bytes: text.utf8.count) }
    // One trailing slash is what some orchestrators add; it names the same folder.
    var parts = PathComponents.split(text).dropFirst()
    if parts.last == "" { parts.removeLast() }
    guard !parts.contains(where: { $0.isEmpty || $0 == "." || $0 == ".." }) else { throw .notNormal }
    guard parts.allSatisfy({ $0.utf8.count <= Self.longestComponent }) else { throw .longComponent }
    let normal = "/" + parts.joined(separator: "/")
    guard PathComponents.isBeneathOrSame(normal, kubeletDirectory), !PathComponents.same(normal, kubeletDirectory)
    else {
      throw .outside(kubeletDirectory: kubeletDirectory)
    }
    path = normal
  }
}
