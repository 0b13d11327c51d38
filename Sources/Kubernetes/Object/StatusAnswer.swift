/// What the API answers instead of an object: meta/v1 Status.
struct StatusAnswer: Decodable, Sendable {
  struct Details: Decodable, Sendable {
    var retryAfterSeconds: Int?
  }

  var kind: String?
  var status: String?
  var reason: String?
  var message: String?
  var code: Int?
  var details: Details?

  private enum CodingKeys: String, CodingKey { case kind, status, reason, message, code, details }

  init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    kind = try container.decodeIfPresent(String.self, forKey: .kind)
    status = try? container.decodeIfPresent(String.self, forKey: .status)
    reason = try container.decodeIfPresent(String.self, forKey: .reason)
    message = try container.decodeIfPresent(String.self, forKey: .message)
    code = try container.decodeIfPresent(Int.self, forKey: .code)
    // Of other shapes in answers of other servers.
    details = try? container.decodeIfPresent(Details.self, forKey: .details)
  }
}
