/// The part of a URL that an error may name: host and port.
struct Endpoint {
  let text: String

  /// nil when the URL is not one of HTTP or holds what no URL may: blanks, control characters, anything but ASCII.
  init?(_ url: String) {
    let isEncrypted = Self.isEncrypted(url)
    guard isEncrypted || url.utf8.starts(with: "http://".utf8) else { return nil }
    guard url.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else { return nil }
    let rest = url.dropFirst(isEncrypted ? 8 : 7)
    var authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
    // A name and password before the host are secrets.
    if let at = authority.lastIndex(of: "@") { authority = authority[authority.index(after: at)...] }
    guard !authority.isEmpty else { return nil }
    let hasPort = authority.drop { $0 != "]" }.contains(":") || (!authority.hasPrefix("[") && authority.contains(":"))
    text = hasPort ? String(authority) : "\(authority):\(isEncrypted ? 443 : 80)"
  }

  static func isEncrypted(_ url: String) -> Bool { url.utf8.starts(with: "https://".utf8) }
}
