internal import ObjectStore
internal import VolumeModel

/// The service account in whose name a volume's requests are made: its token, of what the kubelet hands over, and its name,
/// which tells its worker from those of others.
struct PodIdentity {
  /// `NAMESPACE/NAME`.
  let name: String
  let token: ObjectStoreSecret

  /// - Parameters:
  ///   - context: of the volume; has the tokens where the secrets have not.
  ///   - secrets: of the call.
  /// - Throws: what the CSIDriver object has to say, where the kubelet hands over less than is needed.
  init(_ identity: WebIdentity, context: [String: String], secrets: [String: String]) throws(CSIError) {
    let role = VolumeContextKey.roleARN.name
    guard let account = context[VolumeContextKey.serviceAccountName], !account.isEmpty,
      let namespace = context[VolumeContextKey.podNamespace], !namespace.isEmpty
    else {
      throw .precondition(
        problem: "the volume has \(role), and the kubelet does not say which pod it is for: "
          + "set podInfoOnMount in the CSIDriver object")
    }
    name = "\(namespace)/\(account)"
    let key = VolumeContextKey.serviceAccountTokens
    if let json = secrets[key] ?? context[key] {
      guard let tokens = ServiceAccountTokens(json) else {
        throw .malformedField("volume_context", problem: "has under \(key) no tokens as the kubelet writes them")
      }
      if let token = tokens[identity.audience] {
        self.token = token
        return
      }
    } else if let given = secrets[VolumeContextKey.webIdentityToken.name] {
      token = ObjectStoreSecret(given)
      return
    }
    throw .precondition(
      problem: "the volume has \(role), and the kubelet hands over no token for the audience that it names: "
        + "add it to tokenRequests of the CSIDriver object (chart value alluxio-csi.csiDriver.tokenRequests)")
  }
}
