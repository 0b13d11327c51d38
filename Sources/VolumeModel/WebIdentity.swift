/// How a volume's requests get credentials for the service account of the pod that uses it: STS AssumeRoleWithWebIdentity with
/// a token that the kubelet hands over.
package struct WebIdentity: Sendable, Hashable {
  /// ARN of the role (`roleArn`).
  package var role: String
  /// Of the token (`tokenAudience`), as in `tokenRequests` of the CSIDriver object.
  package var audience: String
  /// Where STS answers (`stsEndpoint`); nil: Amazon's of the region.
  package var endpoint: ObjectStoreAddress?

  /// What Amazon's STS expects.
  package static let usualAudience = "sts.amazonaws.com"

  package init(role: String, audience: String = usualAudience, endpoint: ObjectStoreAddress? = nil) {
    self.role = role
    self.audience = audience
    self.endpoint = endpoint
  }

  /// - Returns: nil where no role is named.
  /// - Throws: where a value is not of its form, or says something about a role and none is named.
  init?(_ values: [String: String]) throws(VolumeContextError) {
    typealias Key = VolumeContextKey
    guard let role = values[Key.roleARN.name] else {
      if let key = [Key.tokenAudience, .stsEndpoint].first(where: { values[$0.name] != nil }) {
        throw .misplaced(key: key.name, advice: "applies only beside \(Key.roleARN.name)")
      }
      return nil
    }
    guard Self.isRole(role) else {
      throw .malformed(key: Key.roleARN.name, expectation: Key.roleARN.form.expectation)
    }
    let audience = values[Key.tokenAudience.name] ?? Self.usualAudience
    guard !audience.isEmpty else {
      throw .malformed(key: Key.tokenAudience.name, expectation: Key.tokenAudience.form.expectation)
    }
    self.init(role: role, audience: audience, endpoint: try ObjectStoreProperties.address(.stsEndpoint, values))
  }

  /// `arn:PARTITION:SERVICE:…`, without spaces.
  private static func isRole(_ text: String) -> Bool {
    (20...2048).contains(text.utf8.count) && PathComponents.has(text, prefix: "arn:")
      && text.utf8.allSatisfy { (0x21...0x7E).contains($0) }
  }
}
