import HTTP
import Synchronization
import VolumeModel

/// Turns a request into what is sent.
extension ObjectStoreClient {
  /// - Throws: where the body, which is to be hashed, cannot be read.
  func signed<Value>(
    _ request: ObjectRequest<Value>, by credentials: ObjectStoreCredentials?, timeouts: HTTPTimeouts
  ) throws(ObjectStoreError) -> HTTPRequest {
    let endpoint = endpoint
    let path = endpoint.path(of: request.key)
    let query = request.query.map {
      (name: PercentEncoding.encode($0.name.utf8), value: PercentEncoding.encode($0.value.utf8))
    }
    var fields = request.fields()
    if let credentials {
      let payload = try payload(of: request, isSecure: endpoint.address.isSecure)
      let date = UTCTime(seconds: clock.wallSeconds + clockOffset)
      fields += [HTTPField("x-amz-date", date.basic), HTTPField("x-amz-content-sha256", payload.field)]
      if let token = credentials.sessionToken { fields.append(HTTPField("x-amz-security-token", token)) }
      let parts = SignatureV4.Parts(
        method: request.method, path: path, query: query,
        fields: [(name: "host", value: endpoint.authority)] + Self.signedFields(fields), payload: payload)
      let signer = SignatureV4(region: endpoint.region)
      fields.append(
        HTTPField(
          "Authorization",
          signer.authorization(parts, by: credentials, key: signingKey(signer, credentials, date), at: date)))
    }
    return HTTPRequest(
      method: request.method, url: endpoint.url(path: path, query: SignatureV4.Parts.sorted(query)), fields: fields,
      body: request.body, timeouts: timeouts, prefersHTTP2: settings.prefersHTTP2,
      mayBeResent: request.isRepeatable && request.mayBeResent)
  }

  private func signingKey(
    _ signer: SignatureV4, _ credentials: ObjectStoreCredentials, _ date: UTCTime
  ) -> [UInt8] {
    let day = date.basicDay
    return signingKey.withLock { cached in
      if let cached, cached.day == day, cached.region == signer.region, cached.credentials == credentials {
        return cached.key
      }
      let key = signer.signingKey(of: credentials, on: day)
      cached = SigningKey(credentials: credentials, region: signer.region, day: day, key: key)
      return key
    }
  }

  /// What must be signed, and nothing else: a proxy may change the rest.
  private static func signedFields(_ fields: [HTTPField]) -> [(name: String, value: String)] {
    fields.map { (name: $0.name.lowercased(), value: $0.value) }.filter {
      $0.name.hasPrefix("x-amz-") || $0.name == "content-type" || $0.name == "content-md5"
    }
  }

  private func payload<Value>(
    of request: ObjectRequest<Value>, isSecure: Bool
  ) throws(ObjectStoreError) -> SignatureV4.Payload {
    switch request.body {
    case .none: return .empty
    case _ where isSecure && !settings.signsPayloads: return .unsigned
    case .bytes(let bytes): return .sha256(Digest.hex(Digest.sha256(bytes)))
    case .source(let source):
      guard let digest = SourceDigest.sha256(of: source) else {
        throw failure(.invalidRequest, request.operation, "the body cannot be read")
      }
      return .sha256(digest)
    }
  }
}
