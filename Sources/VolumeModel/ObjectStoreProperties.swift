/// What a volume's keys say about its object store.
package struct ObjectStoreProperties: Sendable, Hashable {
  /// Where the store answers; nil: Amazon's endpoint of the region.
  package var address: ObjectStoreAddress?
  /// Region of the bucket; nil: to be found.
  package var region: String?
  /// Region that requests to `address` are signed for; it wins over `region`.
  package var endpointRegion: String?
  /// Whether the bucket stands in the path even where it could stand in the host name.
  package var isPathStyle = false
  /// Where requests are made as the pod's service account; nil: with an access key, or the node's own credentials.
  package var webIdentity: WebIdentity?

  package init() {}

  /// - Parameters:
  ///   - values: own keys by their documented names, as `VolumeContext.values`.
  ///   - path: decides which of them mean something; a `file:///` path takes none.
  /// - Throws: at the first value that is not of its key's form, and at an oss:// volume without an endpoint.
  package init(_ values: [String: String], of path: UnderFileSystemURI) throws(VolumeContextError) {
    switch path.scheme {
    case .file: break
    case .s3:
      address = try Self.address(.s3Endpoint, values)
      region = try Self.region(.s3Region, values)
      endpointRegion = try Self.region(.s3EndpointRegion, values)
      let style = VolumeContextKey.s3PathStyle
      if let text = values[style.name] { isPathStyle = try style.flag(text) }
      webIdentity = try WebIdentity(values)
    case .oss:
      guard let endpoint = try Self.address(.ossEndpoint, values) else {
        throw .missing(key: VolumeContextKey.ossEndpoint.name)
      }
      address = endpoint
    }
  }

  static func address(
    _ key: VolumeContextKey, _ values: [String: String]
  ) throws(VolumeContextError) -> ObjectStoreAddress? {
    guard let text = values[key.name] else { return nil }
    do throws(ObjectStoreAddress.ParseError) {
      return try ObjectStoreAddress(parsing: text)
    } catch {
      throw .malformed(key: key.name, expectation: key.form.expectation, detail: error.reason)
    }
  }

  private static func region(
    _ key: VolumeContextKey, _ values: [String: String]
  ) throws(VolumeContextError) -> String? {
    guard let text = values[key.name] else { return nil }
    guard isRegion(text) else { throw .malformed(key: key.name, expectation: key.form.expectation) }
    return text
  }

  /// Whether a text may stand as a region in a host name and in the scope of a signature. Servers' hints are checked by
  /// it too: one must not choose the host that a signed request goes to.
  package static func isRegion(_ text: String) -> Bool {
    (1...63).contains(text.utf8.count)
      && text.utf8.allSatisfy {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
          || $0 == UInt8(ascii: "-")
      }
  }
}
