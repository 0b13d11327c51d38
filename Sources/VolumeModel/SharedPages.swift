/// The folder of the node's page store in which volumes keep their pages together, where the administrator has them share:
/// those beneath one place of `--share-pages`, at one address, with pages of one size.
package struct SharedPages: Sendable, Hashable {
  private static let prefix = "shared-"

  /// Of the folder: `shared-` and 32 hexadecimal digits.
  package let name: String

  /// - Returns: nil for any other name.
  package init?(name: String) {
    guard PathComponents.has(name, prefix: Self.prefix), name.utf8.count == Self.prefix.utf8.count + 32,
      name.utf8.dropFirst(Self.prefix.utf8.count).allSatisfy({
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0)
      })
    else { return nil }
    self.name = name
  }

  /// The folder of a volume; nil where it shares with nobody.
  /// - Parameters:
  ///   - places: those of `--share-pages`; the first that the volume's path lies beneath counts.
  ///   - store: whose address tells servers apart that call a bucket by one name.
  package init?(of path: UnderFileSystemURI, on store: ObjectStoreRequest, places: [UnderFileSystemURI]) {
    guard let place = places.first(where: { $0.holds(path) }) else { return nil }
    let properties = store.properties
    let address = properties.address.map { "\($0)" } ?? ""
    var text = ""
    for part in [
      "\(place)", address, properties.region ?? "", properties.endpointRegion ?? "", String(store.pageSize),
    ] { text += "\(part.utf8.count):\(part);" }
    name = Self.prefix + Digest.sha256Hex(text).prefix(32)
  }
}

extension UnderFileSystemURI {
  /// Whether the other is this one, or lies beneath it.
  fileprivate func holds(_ other: UnderFileSystemURI) -> Bool {
    scheme == other.scheme && PathComponents.same(authority, other.authority)
      && (path.isEmpty || PathComponents.same(path, other.path) || PathComponents.has(other.path, prefix: path + "/"))
  }
}
