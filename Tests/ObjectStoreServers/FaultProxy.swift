import FoundationEssentials
import HTTP

/// The fault proxy before a server, and what tests tell it and ask it. Its faults stand in servers/faults.py.
package final class FaultProxy: Sendable {
  /// What clients are given instead of the server.
  package let process: ServerProcess
  /// Where clients connect.
  package var url: String { process.url }
  private let control: HTTPClient

  /// The server must outlive it.
  package init(before server: ServerProcess) throws {
    process = try .faultProxy(before: server)
    control = try HTTPClient()
  }

  /// One request that the proxy saw.
  package struct SeenRequest: Codable, Sendable, Hashable {
    package var method: String
    /// Path and query, as they came.
    package var target: String
    package var range: String?
    /// Names, in lower case and in order.
    package var fields: [String]
    /// Bytes of the body.
    package var length: Int
    /// The connection that it came on, from 1.
    package var connection: Int
    package var fault: String?
    /// nil while it is not answered.
    package var status: Int?
  }

  /// What the proxy saw.
  package struct Log: Codable, Sendable {
    /// Connections that a request came on.
    package var connections: Int
    package var requests: [SeenRequest]
  }

  /// Adds a rule.
  package func inject(_ fault: Fault) throws { _ = try inject([fault]) }

  /// Adds rules, one behind the other. - Returns: the place of the first among all rules.
  package func inject(_ faults: [Fault]) throws -> Int {
    struct Rule: Decodable {}
    let all = try ask("POST", "__faults", body: Array(try JSONEncoder().encode(faults)))
    return try JSONDecoder().decode([Rule].self, from: all).count - faults.count
  }

  /// How often the rules have acted, in the order in which they were added.
  package func injected() throws -> [Int] {
    struct Rule: Decodable { var injected: Int }
    return try JSONDecoder().decode([Rule].self, from: ask("GET", "__faults")).map(\.injected)
  }

  /// Forgets all rules.
  package func clear() throws { _ = try ask("DELETE", "__faults") }

  /// Ends one stall that waits for `name`.
  package func release(_ name: String) throws { _ = try ask("POST", "__release/\(name)") }

  /// What was asked since the start, or the last ``forget()``.
  package func log() throws -> Log { try JSONDecoder().decode(Log.self, from: ask("GET", "__log")) }

  /// Empties the log.
  package func forget() throws { _ = try ask("DELETE", "__log") }

  private func ask(_ method: String, _ path: String, body: [UInt8] = []) throws -> Data {
    let request = HTTPRequest(method: method, url: "\(url)/\(path)", body: .bytes(body))
    let response = try control.perform(request, bodyLimit: 64 << 20)
    guard response.head.status == 200 else {
      throw ServerProcess.Failure(
        description: "\(path): \(response.head.status) \(String(decoding: response.body, as: UTF8.self))")
    }
    return Data(response.body)
  }
}

/// One rule of the fault proxy: which requests, and what is done to them. Its properties are those of fault_proxy.py and
/// faults.py; nil is their default.
package struct Fault: Codable, Sendable {
  package var fault: String
  /// Regular expressions; nil matches all.
  package var method: String?
  package var path: String?
  /// A regular expression for the field Authorization, which names the access key.
  package var key: String?
  /// The first match that it acts on, from 1.
  package var nth: Int?
  /// How many matches; 0 is all of them.
  package var count: Int?
  /// Acts on each so many of the matches only.
  package var every: Int?
  package var probability: Double?
  package var forward: Bool?
  package var early: Bool?
  package var after: Int?
  package var by: Int?
  package var status: Int?
  package var code: String?
  package var message: String?
  package var body: String?
  package var headers: [String: String]?
  package var retryAfter: Int?
  package var location: String?
  package var dateShift: Int?
  package var seconds: Double?
  package var until: String?
  package var bytes: Int?

  private enum CodingKeys: String, CodingKey {
    case fault, method, path, key, nth, count, every, probability, forward, early, after, by, status, code, message,
      body
    case headers, location, seconds, until, bytes
    case retryAfter = "retry_after"
    case dateShift = "date_shift"
  }

  /// - Parameter fault: a name of faults.py.
  package init(_ fault: String, configure: (inout Fault) -> Void = { _ in }) {
    self.fault = fault
    configure(&self)
  }

  /// Only requests whose method and target match, from the nth match on, so many times (0: always).
  package func on(method: String? = nil, path: String? = nil, nth: Int = 1, count: Int = 1) -> Fault {
    var fault = self
    (fault.method, fault.path, fault.nth, fault.count) = (method, path, nth, count)
    return fault
  }

  /// Only requests that are signed with this access key.
  package func by(_ accessKey: String) -> Fault {
    var fault = self
    fault.key = "Credential=\(accessKey)/"
    return fault
  }

  /// A reset after so many bytes of the answer's body; before its head when nil. The server did act.
  package static func reset(after bytes: Int?) -> Fault { Fault("reset") { $0.after = bytes ?? -1 } }
  /// The right length and fewer bytes.
  package static func truncate(after bytes: Int) -> Fault { Fault("truncate") { $0.after = bytes } }
  /// A length that is wrong by so much.
  package static func wrongLength(by bytes: Int) -> Fault { Fault("length") { $0.by = bytes } }
  /// An error of S3, without asking the server.
  package static func error(_ status: Int, _ code: String, retryAfter: Int? = nil) -> Fault {
    Fault("respond") { ($0.status, $0.code, $0.retryAfter) = (status, code, retryAfter) }
  }
  /// 403 RequestTimeTooSkewed with a Date that is off by so many seconds.
  package static func clockSkew(seconds: Int) -> Fault {
    Fault("respond") { ($0.status, $0.code, $0.dateShift) = (403, "RequestTimeTooSkewed", seconds) }
  }
  /// A redirect, as S3 answers requests for another region.
  package static func redirect(_ status: Int, to location: String, headers: [String: String]? = nil) -> Fault {
    Fault("respond") {
      ($0.status, $0.code, $0.location, $0.headers) = (status, "PermanentRedirect", location, headers)
    }
  }
  /// A wait before the head, or after so many bytes of the body, until ``FaultProxy/release(_:)`` of the name.
  package static func stall(until name: String, after bytes: Int? = nil) -> Fault {
    Fault("stall") { ($0.until, $0.after) = (name, bytes ?? -1) }
  }
  /// The body in pieces, one for each ``FaultProxy/release(_:)`` of the name.
  package static func drip(bytes: Int, until name: String) -> Fault {
    Fault("drip") { ($0.bytes, $0.until) = (bytes, name) }
  }
  /// Broken XML in place of the body.
  package static var garbage: Fault { Fault("garbage") }
  /// Bytes that are no HTTP.
  package static var noise: Fault { Fault("noise") }
  /// The answer to the request before.
  package static var replay: Fault { Fault("replay") }
  /// The answer two times.
  package static var twice: Fault { Fault("twice") }
  /// The answers of two requests exchanged.
  package static var swap: Fault { Fault("swap").on(count: 2) }
}
