/// A validated UFS path: `file:///absolute/path`, `s3://bucket[/prefix]`, `oss://bucket[/prefix]`.
package struct UnderFileSystemURI: Sendable, Hashable, CustomStringConvertible {
  /// The kinds of under file system.
  package enum Scheme: String, Sendable, CaseIterable {
    case file, s3, oss

    /// The under file systems that this build can serve; the others are parsed and refused by name.
    package static let available: Set<Scheme> = [.file, .s3, .oss]
  }

  /// The kind, and so the meaning of the rest.
  package let scheme: Scheme
  /// The bucket; empty for `file`.
  package let authority: String
  /// `file`: absolute, lexically normal, no trailing slash except for the root. Object stores: prefix without leading
  /// slash.
  package let path: String

  package var description: String {
    switch scheme {
    case .file: "file://\(path)"
    case .s3, .oss: "\(scheme.rawValue)://\(authority)/\(path)"
    }
  }

  package init(scheme: Scheme, authority: String, path: String) {
    self.scheme = scheme
    self.authority = authority
    self.path = path
  }
}

extension UnderFileSystemURI {
  /// By bytes: a path with one accented letter in two spellings is two directories.
  package static func == (left: UnderFileSystemURI, right: UnderFileSystemURI) -> Bool {
    left.scheme == right.scheme && PathComponents.same(left.authority, right.authority)
      && PathComponents.same(left.path, right.path)
  }

  package func hash(into hasher: inout Hasher) {
    hasher.combine(scheme)
    hasher.combine(ByteKey(authority))
    hasher.combine(ByteKey(path))
  }

  /// Why a text is no UFS path. The text itself is never repeated: somebody may have put a key into it.
  package struct ParseError: Error, Hashable, CustomStringConvertible {
    package let reason: String
    package var description: String { reason }
  }

  /// Longest path that the kernel takes, with its NUL (PATH_MAX).
  private static let longestPath = 4096
  /// Longest name of one directory entry (NAME_MAX).
  private static let longestName = 255

  /// Parses and normalises `text`: repeated and trailing slashes and `.` go; `..` is refused and never resolved, since
  /// what it means depends on symlinks.
  package init(parsing text: String) throws(ParseError) {
    guard let scheme = Scheme.allCases.first(where: { PathComponents.has(text, prefix: $0.rawValue + "://") }) else {
      throw ParseError(
        reason: PathComponents.has(text, prefix: "/")
          ? "is a bare path; write file:///… for a directory" : "must begin with file://, s3:// or oss://")
    }
    guard !text.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) else {
      throw ParseError(reason: "contains a control character")
    }
    let rest = String(decoding: text.utf8.dropFirst(scheme.rawValue.utf8.count + 3), as: UTF8.self)
    switch scheme {
    case .file: try self.init(filePath: rest)
    case .s3, .oss: try self.init(scheme: scheme, bucketAndPrefix: rest)
    }
  }

  private init(filePath rest: String) throws(ParseError) {
    guard PathComponents.has(rest, prefix: "/") else {
      throw ParseError(reason: "must be absolute with three slashes: file:///directory")
    }
    let path = "/" + (try Self.components(of: rest)).joined(separator: "/")
    guard path.utf8.count < Self.longestPath else {
      throw ParseError(reason: "is longer than \(Self.longestPath - 1) bytes")
    }
    self.init(scheme: .file, authority: "", path: path)
  }

  private init(scheme: Scheme, bucketAndPrefix rest: String) throws(ParseError) {
    let parts = PathComponents.split(rest)
    let bucket = parts[0]
    // The naming rules that S3 and OSS share; neither takes credentials in the URI.
    let allowed = bucket.utf8.allSatisfy {
      (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
        || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".")
    }
    guard allowed, (3...63).contains(bucket.utf8.count) else {
      throw ParseError(
        reason: "needs a bucket of 3 to 63 lower-case letters, digits, '-' and '.' after \(scheme.rawValue)://")
    }
    let prefix = (try Self.components(of: parts.dropFirst().joined(separator: "/"))).joined(separator: "/")
    self.init(scheme: scheme, authority: bucket, path: prefix)
  }

  private static func components(of text: String) throws(ParseError) -> [String] {
    let parts = PathComponents.split(text).filter { !$0.isEmpty && $0 != "." }
    guard !parts.contains("..") else { throw ParseError(reason: "contains '..'; name the directory itself") }
    guard parts.allSatisfy({ $0.utf8.count <= longestName }) else {
      throw ParseError(reason: "has a component of more than \(longestName) bytes")
    }
    return parts
  }

  /// The same UFS, one or more components further down. `relative` is a relative path of safe components.
  package func appending(_ relative: String) -> UnderFileSystemURI {
    let parent = path.isEmpty || path == "/" ? path : path + "/"
    return UnderFileSystemURI(scheme: scheme, authority: authority, path: parent + relative)
  }
}
