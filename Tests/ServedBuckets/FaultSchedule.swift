package import ObjectStoreServers

/// Faults of a network and a service that nobody but the client sees: each is over with the next attempt.
package enum FaultSchedule {
  /// - Parameter seed: decides when each of them acts; how often is the same for all.
  package static func faults(seed: UInt64) -> [Fault] {
    named.enumerated().map { place, entry in
      var fault = entry.fault
      // The primes keep them from always hitting the same sorts of requests.
      let interval = intervals[place]
      fault.every = interval
      fault.nth = 1 + Int((seed &+ UInt64(place) &* 7) % UInt64(interval))
      fault.count = 0
      return fault
    }
  }

  /// What they are, in the order of ``faults(seed:)``.
  package static var names: [String] { named.map(\.name) }

  private static let intervals = [23, 17, 19, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101]

  private static let named: [(name: String, fault: Fault)] = [
    ("a reset before the head", .reset(after: nil)),
    ("a reset in the body", Fault.reset(after: 9).on(method: "GET")),
    ("a body that ends early", Fault.truncate(after: 3).on(method: "GET")),
    ("a length that is too long", Fault.wrongLength(by: 5).on(method: "GET")),
    ("a length that is too short", Fault.wrongLength(by: -3).on(method: "GET")),
    ("500 without having acted", .error(500, "InternalError")),
    ("500 after having acted", forwarded(.error(500, "InternalError"))),
    ("503 SlowDown", .error(503, "SlowDown", retryAfter: 0)),
    ("503 of a proxy, without a document", Fault("respond") { ($0.status, $0.body) = (503, "<html>busy</html>") }),
    ("a short stall", Fault("stall") { ($0.seconds, $0.after) = (0.02, 1) }),
    ("a slow drip", Fault("drip") { ($0.bytes, $0.seconds) = (100, 0.002) }),
    ("garbage in place of XML", Fault.garbage.on(path: "list-type")),
    ("bytes that are no HTTP", .noise),
    ("a redirect to nowhere", .redirect(307, to: "http://127.0.0.1:1/")),
    ("a redirect to another region", .redirect(301, to: "/", headers: ["x-amz-bucket-region": "eu-west-1"])),
    // An answer to HEAD has no document that says which of all refusals it is.
    ("a clock that is off", Fault.clockSkew(seconds: 200).on(method: "GET|PUT|POST|DELETE")),
    ("an expired token", Fault.error(400, "ExpiredToken").on(method: "GET|PUT|POST|DELETE")),
    ("the answer two times", .twice),
    ("the answer to the request before", Fault.replay.on(method: "GET")),
    ("an empty answer", Fault.truncate(after: 0).on(method: "GET")),
  ]

  private static func forwarded(_ fault: Fault) -> Fault {
    var fault = fault
    fault.forward = true
    return fault
  }
}
