/// The form of a volume context value, and how it is read.
package enum ValueForm: Sendable, Hashable {
  case text
  case oneOf([String])
  /// A decimal number.
  case number(ClosedRange<UInt64>)
  case octal(ClosedRange<UInt64>)
  /// Bytes, with Kubernetes' suffixes (`Ki`, `Mi`, `Gi`, `Ti`, `Pi`, `k`, `M`, `G`, `T`, `P`).
  case quantity(ClosedRange<UInt64>)
  /// The same, and a power of two.
  case powerOfTwo(ClosedRange<UInt64>)
  /// Seconds, or with a suffix `ms`, `s`, `m`, `h`.
  case duration(maximumSeconds: UInt64)
  case underFileSystem
  case directoryPattern
  /// Where an object store answers: `ObjectStoreAddress`.
  case endpoint
  /// The name of a region, as it stands in a signature.
  case region
  /// A role by its ARN: `WebIdentity`.
  case role

  /// What the error says is expected.
  package var expectation: String {
    switch self {
    case .text: "a text that is not empty"
    case .oneOf(let words): "one of \(words.joined(separator: ", "))"
    case .number(let range): "a number from \(range.lowerBound) to \(range.upperBound)"
    case .octal(let range): "an octal number from \(Self.octal(range.lowerBound)) to \(Self.octal(range.upperBound))"
    case .quantity(let range): "a size from \(range.lowerBound) to \(range.upperBound) bytes, such as 64Mi or 1Gi"
    case .powerOfTwo(let range):
      "a power of two from \(range.lowerBound) to \(range.upperBound) bytes, such as 256Ki or 1Mi"
    case .duration(let maximum): "a time from 0 to \(maximum) seconds, such as 1, 0.5, 500ms or 5m"
    case .underFileSystem: "a URI file:///directory, s3://bucket/prefix or oss://bucket/prefix"
    case .directoryPattern: "a directory name of text and \(DirectoryPattern.Variable.allSpellings)"
    case .endpoint: "a host name or address, with http:// or https:// before it and a port behind it where needed"
    case .region: "the name of a region, such as eu-central-1"
    case .role: "the ARN of a role, such as arn:aws:iam::123456789012:role/name"
    }
  }

  private static func octal(_ value: UInt64) -> String { "0" + String(value, radix: 8) }

  /// A decimal number in `range`; signs and spaces are refused.
  static func number(_ text: String, radix: Int = 10, in range: ClosedRange<UInt64>) -> UInt64? {
    guard text.utf8.allSatisfy(isDigit), let value = UInt64(text, radix: radix), range.contains(value) else {
      return nil
    }
    return value
  }

  /// Bytes. Fractions as in `1.5Gi` are cut off below one byte.
  package static func quantity(_ text: String, in range: ClosedRange<UInt64>) -> UInt64? {
    let suffixes: [(String, UInt64)] = [
      ("Ki", 1 << 10), ("Mi", 1 << 20), ("Gi", 1 << 30), ("Ti", 1 << 40), ("Pi", 1 << 50), ("k", 1_000),
      ("M", 1_000_000),
      ("G", 1_000_000_000), ("T", 1_000_000_000_000), ("P", 1_000_000_000_000_000), ("", 1),
    ]
    guard let (suffix, unit) = suffixes.first(where: { text.utf8.suffix($0.0.utf8.count).elementsEqual($0.0.utf8) }),
      let value = decimal(text.utf8.dropLast(suffix.utf8.count), times: unit)
    else { return nil }
    return range.contains(value) ? value : nil
  }

  /// Milliseconds.
  static func duration(_ text: String, maximumSeconds: UInt64) -> UInt32? {
    let suffixes: [(String, UInt64)] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("", 1_000)]
    guard let (suffix, unit) = suffixes.first(where: { text.utf8.suffix($0.0.utf8.count).elementsEqual($0.0.utf8) }),
      let value = decimal(text.utf8.dropLast(suffix.utf8.count), times: unit), value <= maximumSeconds * 1_000
    else { return nil }
    return UInt32(exactly: value)
  }

  /// `digits[.digits]` times `unit`, exact; nil for anything else or an overflow.
  private static func decimal(_ text: some Sequence<UInt8>, times unit: UInt64) -> UInt64? {
    let parts = Array(text).split(separator: UInt8(ascii: "."), maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.allSatisfy({ !$0.isEmpty && $0.count <= 19 && $0.allSatisfy(isDigit) }), let whole = parts.first,
      let value = UInt64(String(decoding: whole, as: UTF8.self))
    else { return nil }
    let product = value.multipliedReportingOverflow(by: unit)
    guard !product.overflow else { return nil }
    guard parts.count == 2 else { return product.partialValue }
    // Cut off below one unit of the result. The quotient fits, since the fraction is less than one.
    guard parts[1].count <= 18, let digits = UInt64(String(decoding: parts[1], as: UTF8.self)) else { return nil }
    let power = (0..<parts[1].count).reduce(UInt64(1)) { power, _ in power * 10 }
    let fraction = power.dividingFullWidth(unit.multipliedFullWidth(by: digits)).quotient
    let sum = product.partialValue.addingReportingOverflow(fraction)
    return sum.overflow ? nil : sum.partialValue
  }

  private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
}
