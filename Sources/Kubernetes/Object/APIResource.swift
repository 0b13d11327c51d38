/// One kind of object, as the API names it.
package struct APIResource: Sendable, Hashable {
  /// Empty for the core group.
  package var group: String
  package var version: String
  package var kind: String
  /// In URLs and in rules of access: lower case and plural.
  package var plural: String
  /// Whether its objects live in namespaces.
  package var isNamespaced: Bool

  package init(group: String, version: String, kind: String, plural: String, isNamespaced: Bool) {
    self.group = group
    self.version = version
    self.kind = kind
    self.plural = plural
    self.isNamespaced = isNamespaced
  }

  /// As objects say it.
  package var apiVersion: String { group.isEmpty ? version : "\(group)/\(version)" }

  /// The path of all objects, of those of a namespace, of one of them, or of a part of it.
  func path(namespace: String? = nil, name: String? = nil, subresource: String? = nil) -> String {
    var path = group.isEmpty ? "/api/\(version)" : "/apis/\(group)/\(version)"
    if isNamespaced, let namespace { path += "/namespaces/\(URLText.encoded(namespace))" }
    path += "/\(plural)"
    if let name { path += "/\(URLText.encoded(name))" }
    if let subresource { path += "/\(subresource)" }
    return path
  }
}

/// Texts in URLs. RFC 3986, 2.1.
enum URLText {
  private static let digits = Array("0123456789ABCDEF".utf8)

  /// Everything but letters, digits and `-._~` as two digits.
  static func encoded(_ text: String) -> String {
    var result: [UInt8] = []
    for byte in text.utf8 {
      let character = Unicode.Scalar(byte)
      let isPlain = byte < 0x80 && (character.properties.isAlphabetic || (0x30...0x39).contains(byte))
      if isPlain || "-._~".unicodeScalars.contains(character) {
        result.append(byte)
      } else {
        result += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
      }
    }
    return String(decoding: result, as: UTF8.self)
  }

  /// `a=b&c=d`, with both sides encoded.
  static func query(_ parameters: [(name: String, value: String)]) -> String {
    parameters.map { "\(encoded($0.name))=\(encoded($0.value))" }.joined(separator: "&")
  }
}
