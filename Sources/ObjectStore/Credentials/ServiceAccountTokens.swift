import VolumeModel

/// Tokens of a pod's service account by audience, as the kubelet writes them where a CSIDriver object has `tokenRequests`:
/// `{"AUDIENCE": {"token": "…", "expirationTimestamp": "…"}}`.
package struct ServiceAccountTokens: Sendable {
  private let tokens: [String: ObjectStoreSecret]

  /// - Returns: nil for what is no such JSON; it is repeated nowhere.
  package init?(_ json: String) {
    guard let audiences = try? JSONText.objects(Array(json.utf8)) else { return nil }
    tokens = audiences.compactMapValues { members in
      members["token"].flatMap { ObjectStoreCredentials.isToken(Array($0.utf8)) ? ObjectStoreSecret($0) : nil }
    }
  }

  /// The token for an audience; nil: there is none that could be sent.
  package subscript(audience: String) -> ObjectStoreSecret? { tokens[audience] }
}
