internal import FoundationEssentials
internal import HTTP
internal import LinuxSystem

/// Talks to the API server of one cluster.
///
/// Calls are tried again as ``RetryPolicy`` says where that cannot do them twice; a token that the server refuses is read
/// again once. It follows no redirect, and its errors repeat nothing that was sent.
package final class KubernetesClient: Sendable {
  /// How waits pass.
  package typealias Pause = @Sendable (Duration) async throws -> Void

  package let access: ClusterAccess
  let http: HTTPClient
  let token: BearerToken
  let policy: RetryPolicy
  let pause: Pause
  private let observer: @Sendable (APICall) -> Void

  /// The most that an answer may have, in bytes.
  static let answerLimit = 64 << 20

  /// - Parameters:
  ///   - pause: for tests; the default lets time pass.
  ///   - observer: is told of every request before it is sent: what rules of access must allow.
  /// - Throws: `.access` when libcurl is not there.
  package init(
    _ access: ClusterAccess, policy: RetryPolicy = RetryPolicy(),
    pause: @escaping Pause = { try await Task.sleep(for: $0) },
    observer: @escaping @Sendable (APICall) -> Void = { _ in }
  ) throws(KubernetesError) {
    self.access = access
    self.policy = policy
    self.pause = pause
    self.observer = observer
    token = BearerToken(access.token)
    do throws(HTTPError) { http = try HTTPClient(access.configuration) } catch {
      throw KubernetesError(.access, error.message)
    }
  }

  /// Ends all calls and closes all connections.
  package func shutdown() { http.shutdown() }

  /// One request as it will be sent, again if need be.
  struct Call: Sendable {
    var call: APICall
    var method: String
    /// With its query.
    var target: String
    var body: [UInt8]?
    var contentType = "application/json"
    /// Whether doing it twice is the same as doing it once.
    var isRepeatable = true
  }

  /// The request of a call, with the token of this moment.
  func request(_ call: Call, token: String?, timeouts: HTTPTimeouts) -> HTTPRequest {
    var fields = [HTTPField("Accept", "application/json")]
    if let token { fields.append(HTTPField("Authorization", "Bearer \(token)")) }
    if call.body != nil { fields.append(HTTPField("Content-Type", call.contentType)) }
    observer(call.call)
    return HTTPRequest(
      method: call.method, url: access.server + call.target, fields: fields,
      body: call.body.map { .bytes($0) } ?? .none,
      timeouts: timeouts)
  }

  /// Sends a call until it succeeds or another attempt is of no use.
  /// - Returns: what `decode` makes of the answer.
  func send<Value: Sendable>(
    _ call: Call, decode: @Sendable ([UInt8]) throws -> Value
  ) async throws(KubernetesError) -> Value {
    var retry = RetryState(policy)
    let deadline = Deadline.after(policy.patience)
    while true {
      let used = try token.current()
      let failure: KubernetesError
      do throws(KubernetesError) {
        return try await attempt(call, token: used, deadline: deadline, decode: decode)
      } catch { failure = error }
      let random = Double.random(in: 0...1)
      switch retry.next(
        after: failure, isRepeatable: call.isRepeatable, left: deadline.remaining(), random: random)
      {
      case .fail: throw failure
      case .refresh: guard token.refresh(after: used) else { throw failure }
      case .wait(let duration): try await wait(duration)
      }
    }
  }

  private func attempt<Value: Sendable>(
    _ call: Call, token: String?, deadline: Deadline, decode: @Sendable ([UInt8]) throws -> Value
  ) async throws(KubernetesError) -> Value {
    let response: HTTPResponse
    do throws(HTTPError) {
      let timeouts = HTTPTimeouts(
        connect: .seconds(5), response: .seconds(15), stall: .seconds(15), total: deadline.remaining())
      response = try await http.response(
        to: request(call, token: token, timeouts: timeouts), bodyLimit: Self.answerLimit)
    } catch {
      throw KubernetesError(error, call: call.call)
    }
    guard (200..<300).contains(response.head.status) else { throw KubernetesError(response, call: call.call) }
    do { return try decode(response.body) } catch {
      throw KubernetesError(
        .unreadable, "\(call.call): the answer is not what the API of Kubernetes answers (\(Self.reason(error)))",
        status: response.head.status, mayHaveHappened: true)
    }
  }

  /// Where in an answer the trouble is; nothing of its values.
  static func reason(_ error: any Error) -> String {
    switch error as? DecodingError {
    case .keyNotFound(let key, let context): "\(path(context)) has no \(key.stringValue)"
    case .typeMismatch(_, let context), .valueNotFound(_, let context): "\(path(context)) has another type"
    default: "it is no JSON"
    }
  }

  private static func path(_ context: DecodingError.Context) -> String {
    let path = context.codingPath.map(\.stringValue).joined(separator: ".")
    return path.isEmpty ? "it" : path
  }

  /// Lets pass what a policy says after so many failures in a row.
  package func wait(afterFailures failures: Int, _ policy: RetryPolicy) async throws(KubernetesError) {
    try await wait(policy.wait(afterFailures: failures, random: Double.random(in: 0...1)))
  }

  /// Lets time pass.
  func wait(_ duration: Duration) async throws(KubernetesError) {
    do { try await pause(duration) } catch {
      throw KubernetesError(.cancelled, "the call was cancelled while it waited")
    }
  }
}
