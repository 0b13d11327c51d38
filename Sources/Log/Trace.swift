/// The id that all log lines about one call carry, from the plugin by way of the mounter to the worker: a trace-id of W3C's Trace
/// Context, 32 lower-case hexadecimal digits, so that it fits what callers with OpenTelemetry have in their own logs.
package struct TraceID: Sendable, Hashable, CustomStringConvertible {
  package let description: String

  /// Of the call that the current task serves.
  @TaskLocal package static var current: TraceID?

  /// A new one.
  package init() {
    let high = UInt64.random(in: .min ... .max)
    // All zeros are no trace-id.
    let low = UInt64.random(in: 1 ... .max)
    description = Self.digits(high) + Self.digits(low)
  }

  /// - Returns: nil for what is none: nothing else gets into logs by this way.
  package init?(_ text: some StringProtocol) {
    let isHexadecimal = text.utf8.allSatisfy { byte in
      (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
    }
    guard text.utf8.count == 32, isHexadecimal, text.contains(where: { $0 != "0" }) else { return nil }
    description = String(text)
  }

  /// The one in a header `traceparent`: version, trace-id, parent-id and flags. nil for what is none.
  package init?(traceParent: String) {
    let parts = traceParent.split(separator: "-", omittingEmptySubsequences: false)
    guard parts.count >= 4, parts[0].utf8.count == 2, parts[0] != "ff", parts[2].utf8.count == 16 else { return nil }
    self.init(parts[1])
  }

  private static func digits(_ number: UInt64) -> String {
    let digits = String(number, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}
