internal import VolumeModel

/// `ObjectStoreRequest` as records keep it, without what the plugin's flags say.
package struct RecordedObjectStore: Codable, Sendable, Hashable {
  /// As `ObjectStoreAddress` writes and reads itself.
  package var endpoint: String?
  package var region: String?
  package var endpointRegion: String?
  package var isPathStyle: Bool
  /// `roleArn`, `tokenAudience` and `stsEndpoint`; nil: none, as in records of versions that had none.
  package var role: String?
  package var audience: String?
  package var tokenEndpoint: String?
  package var usesNodeCredentials: Bool
  package var pageStoreBytes: UInt64
  package var pageSize: UInt32

  init(_ request: ObjectStoreRequest) {
    endpoint = request.properties.address?.description
    region = request.properties.region
    endpointRegion = request.properties.endpointRegion
    isPathStyle = request.properties.isPathStyle
    role = request.properties.webIdentity?.role
    audience = request.properties.webIdentity?.audience
    tokenEndpoint = request.properties.webIdentity?.endpoint?.description
    usesNodeCredentials = request.usesNodeCredentials
    pageStoreBytes = request.pageStoreBytes
    pageSize = request.pageSize
  }

  /// - Parameter pageStore: the node's folder, as the plugin has it now.
  func request(pageStore: String) throws(ObjectStoreAddress.ParseError) -> ObjectStoreRequest {
    var properties = ObjectStoreProperties()
    if let endpoint { properties.address = try ObjectStoreAddress(parsing: endpoint) }
    properties.region = region
    properties.endpointRegion = endpointRegion
    properties.isPathStyle = isPathStyle
    if let role {
      let endpoint = try tokenEndpoint.map { (text) throws(ObjectStoreAddress.ParseError) in
        try ObjectStoreAddress(parsing: text)
      }
      properties.webIdentity = WebIdentity(
        role: role, audience: audience ?? WebIdentity.usualAudience, endpoint: endpoint)
    }
    var request = ObjectStoreRequest(
      properties: properties, usesNodeCredentials: usesNodeCredentials, pageStore: pageStore,
      pageStoreBytes: pageStoreBytes)
    request.pageSize = pageSize
    return request
  }
}
