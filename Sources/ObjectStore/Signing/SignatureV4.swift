package import VolumeModel

/// AWS Signature Version 4, in the form of S3: paths are encoded once and never normalised.
///
/// libcurl signs too (`CURLOPT_AWS_SIGV4`). 7.88 does not sort or encode query strings, takes no date, sends a session
/// token only as one of the caller's own fields, and hashes the body even where it need not be signed; later versions
/// changed each of these. So that one request has one signature with every libcurl, this signer is used throughout.
package struct SignatureV4: Sendable {
  /// Region and service of the scope, as `us-east-1` and `s3`.
  package let region: String
  package let service: String

  package init(region: String, service: String = "s3") {
    self.region = region
    self.service = service
  }

  /// What is known of the body.
  package enum Payload: Sendable, Hashable {
    /// Only over TLS, which protects the body itself.
    case unsigned
    /// SHA-256 in lower-case hexadecimal digits.
    case sha256(String)
    /// Of no bytes.
    package static let empty = Payload.sha256("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")

    /// As `x-amz-content-sha256`.
    package var field: String {
      switch self {
      case .unsigned: "UNSIGNED-PAYLOAD"
      case .sha256(let digest): digest
      }
    }
  }

  /// The parts of a request that are signed.
  package struct Parts: Sendable {
    /// In capitals.
    package var method: String
    /// Encoded, with a leading slash.
    package var path: String
    /// Encoded names and values.
    package var query: [(name: String, value: String)]
    /// All fields that are signed, `host` and `x-amz-date` among them.
    package var fields: [(name: String, value: String)]
    package var payload: Payload

    package init(
      method: String, path: String, query: [(name: String, value: String)] = [],
      fields: [(name: String, value: String)], payload: Payload
    ) {
      self.method = method
      self.path = path
      self.query = query
      self.fields = fields
      self.payload = payload
    }

    private var sortedFields: [(name: String, value: String)] {
      var joined: [(name: String, value: String)] = []
      for (name, value) in fields.map({ ($0.name.lowercased(), Self.trimmed($0.value)) }) {
        // Fields of one name are one field with a comma between, in the order that they are sent in.
        if let same = joined.firstIndex(where: { $0.name == name }) {
          joined[same].value += "," + value
        } else {
          joined.append((name, value))
        }
      }
      return joined.sorted { $0.name < $1.name }
    }

    /// Sorted by encoded name, then by encoded value.
    static func sorted(_ query: [(name: String, value: String)]) -> String {
      query.sorted { $0.name == $1.name ? $0.value < $1.value : $0.name < $1.name }
        .map { "\($0.name)=\($0.value)" }.joined(separator: "&")
    }

    /// The first of the three texts of the specification.
    package var canonicalRequest: String { canonical.request }

    /// The same, and the names of all fields for the `Authorization` field.
    fileprivate var canonical: (request: String, signedFields: String) {
      let fields = sortedFields
      let names = fields.map(\.name).joined(separator: ";")
      let lines = fields.map { "\($0.name):\($0.value)\n" }.joined()
      return ([method, path, Self.sorted(query), lines, names, payload.field].joined(separator: "\n"), names)
    }

    /// Without spaces around, and with one space for several.
    private static func trimmed(_ value: String) -> String {
      // Most have none.
      value.utf8.contains(0x20) ? value.split(separator: " ").joined(separator: " ") : value
    }
  }

  private func scope(_ date: UTCTime) -> String { "\(date.basicDay)/\(region)/\(service)/aws4_request" }

  /// The second text.
  package func stringToSign(_ parts: Parts, at date: UTCTime) -> String {
    stringToSign(parts.canonicalRequest, at: date)
  }

  private func stringToSign(_ canonicalRequest: String, at date: UTCTime) -> String {
    ["AWS4-HMAC-SHA256", date.basic, scope(date), Digest.sha256Hex(canonicalRequest)].joined(separator: "\n")
  }

  /// The key of one day, which depends on nothing of a request: four of the five keyed hashes of a signature. A secret.
  package func signingKey(of credentials: ObjectStoreCredentials, on day: String) -> [UInt8] {
    var key = Array("AWS4\(credentials.secretKey)".utf8)
    for part in [day, region, service, "aws4_request"] { key = Digest.hmacSHA256(key: key, Array(part.utf8)) }
    return key
  }

  /// 64 digits.
  package func signature(_ parts: Parts, key: [UInt8], at date: UTCTime) -> String {
    signature(ofText: stringToSign(parts, at: date), key: key)
  }

  private func signature(ofText text: String, key: [UInt8]) -> String {
    Digest.hex(Digest.hmacSHA256(key: key, Array(text.utf8)))
  }

  /// The value of the `Authorization` field.
  /// - Parameter key: of the day, where it is known; it is made otherwise.
  package func authorization(
    _ parts: Parts, by credentials: ObjectStoreCredentials, key: [UInt8]? = nil, at date: UTCTime
  ) -> String {
    let key = key ?? signingKey(of: credentials, on: date.basicDay)
    let (request, signedFields) = parts.canonical
    let signature = signature(ofText: stringToSign(request, at: date), key: key)
    return "AWS4-HMAC-SHA256 Credential=\(credentials.accessKeyID)/\(scope(date)),"
      + "SignedHeaders=\(signedFields),Signature=\(signature)"
  }
}
