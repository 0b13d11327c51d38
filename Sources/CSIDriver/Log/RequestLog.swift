package import GRPC
internal import Log
package import Logging

/// Logs every call once, when it ends: method, volume, duration, code, and the message of a failure.
///
/// Nothing else of a request is ever printed, so that secrets, tokens and mount flags cannot be: ``SecretFields`` names
/// them, and a test sends a canary in each.
package struct RequestLog: Interceptor {
  private let logger: Logger

  package init(logger: Logger) { self.logger = logger }

  package func intercept(
    _ request: consuming IncomingMessage, _ context: CallContext, _ next: UnaryHandler
  ) async throws -> OutgoingMessage {
    let record = CallRecord()
    let start = ContinuousClock.now
    let trace = context.traceParent.flatMap(TraceID.init(traceParent:)) ?? TraceID()
    do {
      let reply = try await serve(request, context, next, record, trace)
      TraceID.$current.withValue(trace) { log(context, record, start, nil) }
      return reply
    } catch {
      TraceID.$current.withValue(trace) { log(context, record, start, RPCError(thrown: error, context)) }
      throw error
    }
  }

  /// A closure cannot consume what it captured once, so the message goes in through a box, and the reply comes out of one.
  private func serve(
    _ request: consuming IncomingMessage, _ context: CallContext, _ next: UnaryHandler, _ record: CallRecord,
    _ trace: TraceID
  ) async throws -> OutgoingMessage {
    var incoming = Optional(request)
    var outgoing: OutgoingMessage?
    try await TraceID.$current.withValue(trace) {
      try await CallRecord.$current.withValue(record) {
        guard let message = incoming.take() else { return }
        outgoing = try await next(message, context)
      }
    }
    guard let reply = outgoing.take() else { throw CancellationError() }
    return reply
  }

  private func log(
    _ context: CallContext, _ record: CallRecord, _ start: ContinuousClock.Instant, _ error: RPCError?
  ) {
    let code = error?.code ?? .ok
    let level = Self.level(context.method, code)
    // What nobody reads is not formatted, which was a twentieth of a Probe.
    guard level >= logger.logLevel else { return }
    let method = context.method.split(separator: "/").last.map(String.init) ?? context.method
    var metadata: Logger.Metadata = [
      "method": "\(method)", "ms": "\(Self.milliseconds(ContinuousClock.now - start))", "code": "\(code)",
    ]
    if let volume = record.volume { metadata["volume"] = "\(volume)" }
    if let error { metadata["error"] = "\(error.message)" }
    logger.log(level: level, "call", metadata: metadata)
  }

  /// Probes come every few seconds; failures of our own stand out.
  private static func level(_ method: String, _ code: StatusCode) -> Logger.Level {
    switch code {
    case .ok: method.hasSuffix("/Probe") ? .debug : .info
    case .internal, .unavailable, .deadlineExceeded: .error
    default: .warning
    }
  }

  /// With three decimals.
  private static func milliseconds(_ duration: Duration) -> String {
    let microseconds = Int(duration / .microseconds(1))
    return "\(microseconds / 1000).\(String(microseconds % 1000 + 1000).dropFirst())"
  }
}
