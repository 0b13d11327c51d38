/// A validated UFS path: `file:///absolute/path`, `s3://bucket[/prefix]`, `oss://bucket[/prefix]`.
package struct UnderFileSystemURI: Sendable, Hashable, CustomStringConvertible {
  package enum Scheme: String, Sendable, CaseIterable { case file, s3, oss }

  package let scheme: Scheme
  /// The bucket; empty for `file`.
  package let authority: String
  /// `file`: absolute, lexically normal, no trailing slash except for the root. Object stores: prefix without leading slash.
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
