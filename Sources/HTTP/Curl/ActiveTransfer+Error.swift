internal import CCurl

// What went wrong, as a value and as a sentence.
extension ActiveTransfer {
  /// - Parameter reason: what follows the sentence; no secret may be in it.
  func error(_ kind: HTTPError.Kind, _ reason: String? = nil) -> HTTPError {
    let sentence = Self.sentence(kind, endpoint.text, transfer.request.timeouts)
    return HTTPError(
      kind, reason.map { "\(sentence): \($0)" } ?? sentence, endpoint: endpoint.text, wasSent: wasSent)
  }

  /// - Parameter hasHead: whether the head of the answer was complete.
  func error(_ code: CURLcode, hasHead: Bool, _ library: CurlLibrary) -> HTTPError {
    let kind = Self.kind(code, wasSent: wasSent, hasHead: hasHead, isRefused: isRefusedByProxy(library))
    // The library's limits say nothing that the sentence does not.
    if case .timeout = kind { return error(kind) }
    return error(kind, libraryText ?? library.text(of: code))
  }

  /// The library's own words about the error. They name hosts, ports and certificates; where they should repeat the
  /// request's query they are not used.
  private var libraryText: String? {
    let text = String(cString: errorText)
    let query = transfer.request.url.drop { $0 != "?" }
    return text.isEmpty || query.count > 1 && text.contains(query.dropFirst()) ? nil : text
  }

  /// Whether a proxy refused the tunnel.
  private func isRefusedByProxy(_ library: CurlLibrary) -> Bool {
    var status = 0
    guard ccurl_get_long(library.functions, handle, CURLINFO_HTTP_CONNECTCODE, &status) == CURLE_OK else {
      return false
    }
    return status != 0 && !(200..<300).contains(status)
  }

  private static func kind(_ code: CURLcode, wasSent: Bool, hasHead: Bool, isRefused: Bool) -> HTTPError.Kind {
    switch code {
    case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY: .resolve
    case CURLE_COULDNT_CONNECT, CURLE_INTERFACE_FAILED, CURLE_PROXY: .connect
    case CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CERTPROBLEM, CURLE_SSL_CIPHER,
      CURLE_SSL_CACERT_BADFILE, CURLE_SSL_CRL_BADFILE, CURLE_SSL_ISSUER_ERROR, CURLE_SSL_INVALIDCERTSTATUS,
      CURLE_SSL_ENGINE_INITFAILED, CURLE_SSL_SHUTDOWN_FAILED:
      .tls
    case CURLE_OPERATION_TIMEDOUT: .timeout(.connect)
    case CURLE_PARTIAL_FILE: .truncated
    case CURLE_GOT_NOTHING, CURLE_SEND_ERROR, CURLE_RECV_ERROR, CURLE_HTTP2_STREAM:
      isRefused ? .connect : wasSent ? .reset : .connect
    case CURLE_WEIRD_SERVER_REPLY, CURLE_HTTP2, CURLE_BAD_CONTENT_ENCODING: .protocol
    // An answer that begins with anything but HTTP/1 is one of "HTTP/0.9" to the library.
    case CURLE_UNSUPPORTED_PROTOCOL: wasSent ? .protocol : .invalid
    case CURLE_URL_MALFORMAT: .invalid
    // The library's own limits of a head, which older ones report so.
    case CURLE_OUT_OF_MEMORY: wasSent && !hasHead ? .tooLarge : .other
    case CURLE_FILESIZE_EXCEEDED: .tooLarge
    case CURLcode(rawValue: 100): .tooLarge  // CURLE_TOO_LARGE, 8.6
    default: .other
    }
  }

  private static func sentence(_ kind: HTTPError.Kind, _ endpoint: String, _ timeouts: HTTPTimeouts) -> String {
    func limit(_ duration: Duration?) -> String { duration.map { "\($0)" } ?? "its time" }
    return switch kind {
    case .invalid: "the request to \(endpoint) cannot be sent"
    case .library: "HTTP is not available"
    case .resolve: "the name of \(endpoint) has no address"
    case .connect: "no connection to \(endpoint)"
    case .tls: "no trusted connection to \(endpoint)"
    case .timeout(.connect): "no connection to \(endpoint) within \(limit(timeouts.connect))"
    case .timeout(.response): "\(endpoint) did not answer within \(limit(timeouts.response))"
    case .timeout(.stall): "nothing went to or came from \(endpoint) for \(limit(timeouts.stall))"
    case .timeout(.total): "the request to \(endpoint) was not done within \(limit(timeouts.total))"
    case .reset: "the connection to \(endpoint) was lost"
    case .truncated: "the answer of \(endpoint) ended early"
    case .tooLarge: "the answer of \(endpoint) is too large"
    case .cancelled: "the request to \(endpoint) was cancelled"
    case .protocol: "\(endpoint) does not speak HTTP as it should"
    case .source: "the body of the request to \(endpoint) could not be read"
    case .other: "the request to \(endpoint) failed"
    }
  }
}
