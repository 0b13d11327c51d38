/// Why a set of volume context keys was refused. Says which key and what is expected; never repeats a value.
package enum VolumeContextError: Error, Sendable, Hashable, CustomStringConvertible {
  case unknown(key: String, nearest: String?)
  /// The value is not of the key's form. `detail` says what is wrong where more is known than the form.
  case malformed(key: String, expectation: String, detail: String? = nil)
  case missing(key: String)
  /// The key is known and does not belong there.
  case misplaced(key: String, advice: String)
  case notSupported(key: String, reason: String)
  /// A key was given twice, by its name and an alias.
  case doubled(key: String, other: String)

  package var description: String {
    switch self {
    case .unknown(let key, let nearest?): "unknown key \(Self.quoted(key)): did you mean '\(nearest)'?"
    case .unknown(let key, nil): "unknown key \(Self.quoted(key)): see the parameter table in the README"
    case .malformed(let key, let expectation, let detail?): "the value of \(key) \(detail); expected is \(expectation)"
    case .malformed(let key, let expectation, nil): "the value of \(key) must be \(expectation)"
    case .missing(let key): "\(key) is missing"
    case .misplaced(let key, let advice): "\(key) \(advice)"
    case .notSupported(let key, let reason): "\(key) \(reason)"
    case .doubled(let key, let other): "\(key) and \(other) are the same key; give one of them"
    }
  }

  /// Scalars of a foreign text that a message repeats: the kubelet's target paths have some 150.
  private static let longestQuotation = 256

  /// A foreign text for a message: cut, and without control characters.
  package static func quoted(_ text: String) -> String {
    let clean = text.unicodeScalars.prefix(longestQuotation).map {
      $0.value < 0x20 || $0.value == 0x7F ? "?" : String($0)
    }.joined()
    return "'\(clean)\(text.unicodeScalars.count > longestQuotation ? "…" : "")'"
  }
}

/// The known key that somebody who wrote another one may have meant.
enum NearestKey {
  /// The closest of `known` within a third of its length, by Levenshtein's distance without regard to case.
  static func nearest(to text: String, in known: [String]) -> String? {
    let wanted = Array(text.lowercased().utf8.prefix(64))
    let scored = known.map { ($0, distance(wanted, Array($0.lowercased().utf8))) }
    guard let best = scored.min(by: { $0.1 < $1.1 }), best.1 <= max(2, best.0.utf8.count / 3) else { return nil }
    return best.0
  }

  static func distance(_ left: [UInt8], _ right: [UInt8]) -> Int {
    var row = Array(0...right.count)
    for (i, a) in left.enumerated() {
      var diagonal = row[0]
      row[0] = i + 1
      for (j, b) in right.enumerated() {
        let substituted = diagonal + (a == b ? 0 : 1)
        diagonal = row[j + 1]
        row[j + 1] = min(substituted, row[j] + 1, row[j + 1] + 1)
      }
    }
    return row[right.count]
  }
}

extension VolumeContextError {
  /// A pattern that cannot be used, or not for this claim.
  package static func directoryPattern(_ error: DirectoryPattern.ParseError) -> VolumeContextError {
    let key = VolumeContextKey.directoryPattern
    return .malformed(key: key.name, expectation: key.form.expectation, detail: error.reason)
  }
}
