internal import FoundationEssentials
internal import HTTP

/// Why the API did not do what it was asked.
package struct KubernetesError: Error, Sendable, Hashable, CustomStringConvertible {
  /// What a caller does differently.
  package enum Kind: Sendable, Hashable {
    /// The client's own settings, files or tokens cannot be used.
    case access
    /// 404: no such object, or no such kind.
    case absent
    /// 409 to a creation.
    case exists
    /// 409 to a change: the object is no longer the one that the change was made for.
    case conflict
    /// 410: what was asked for is so old that the server has forgotten it.
    case expired
    /// 401, also with a token that was just read.
    case unauthorized
    /// 403: the role of the service account lacks a rule.
    case forbidden
    /// 400, 405, 413, 415, 422 and what else will be answered every time.
    case invalid
    /// 429.
    case busy
    /// 5xx, or no answer at all.
    case unavailable
    /// An answer that is not what the API answers.
    case unreadable
    /// The task was.
    case cancelled
  }

  package var kind: Kind
  /// A sentence for people, with the server's own words. It holds no token and nothing that was sent.
  package var message: String
  /// nil without an answer.
  package var status: Int?
  /// How long the server asks to be left alone.
  package var retryAfter: Duration?
  /// Whether the server may have acted on the request.
  package var mayHaveHappened: Bool

  package init(
    _ kind: Kind, _ message: String, status: Int? = nil, retryAfter: Duration? = nil, mayHaveHappened: Bool = false
  ) {
    self.kind = kind
    self.message = message
    self.status = status
    self.retryAfter = retryAfter
    self.mayHaveHappened = mayHaveHappened
  }

  package var description: String { message }
}

extension KubernetesError {
  /// No answer.
  init(_ error: HTTPError, call: APICall) {
    let kind: Kind =
      switch error.kind {
      case .cancelled: .cancelled
      case .invalid, .library: .access
      case .tooLarge, .protocol: .unreadable
      default: .unavailable
      }
    self.init(kind, "\(call): \(error.message)", mayHaveHappened: error.wasSent)
  }

  /// An answer that is no success.
  init(_ response: HTTPResponse, call: APICall) {
    let answer = try? JSONDecoder().decode(StatusAnswer.self, from: Data(response.body))
    let seconds = response.head["Retry-After"].flatMap { Int($0) } ?? answer?.details?.retryAfterSeconds
    self.init(status: response.head.status, answer: answer, retryAfter: seconds, call: call)
  }

  /// - Parameter retryAfter: in seconds.
  init(status: Int, answer: StatusAnswer?, retryAfter: Int? = nil, call: APICall) {
    let kind: Kind =
      switch status {
      case 401: .unauthorized
      case 403: .forbidden
      case 404: .absent
      case 409: call.verb == .create && answer?.reason != "Conflict" ? .exists : .conflict
      case 410: .expired
      case 429: .busy
      case 500...: .unavailable
      // A redirect, too: the API answers none.
      default: .invalid
      }
    var words = "\(call): \(status)"
    if let reason = answer?.reason { words += " \(reason)" }
    if let message = answer?.message { words += ": \(message.prefix(500))" }
    switch kind {
    case .unauthorized: words += " (the API server knows no such token or certificate: see that it has not expired)"
    case .forbidden: words += " (see that the role of this program's service account has a rule for it)"
    default: break
    }
    // A server that says when to come back has not begun.
    let hasBegun = status >= 500 && retryAfter == nil
    self.init(
      kind, words, status: status, retryAfter: retryAfter.map { .seconds(min(max($0, 0), 86_400)) },
      mayHaveHappened: hasBegun)
  }
}
