import Glibc
package import Logging

/// How log records are written.
package enum LogFormat: String, Sendable, CaseIterable {
  /// `2026-01-31T12:00:00.000Z info mounter: message key=value`
  case text
  /// One JSON object per line: `time`, `level`, `logger`, `message`, and the metadata.
  case json
}

/// Writes each record of swift-log as one line to a descriptor, with one write(2), so that lines of several threads and
/// processes do not mix. A record that cannot be written is lost: a full or closed standard error stops no program.
package struct LineLogHandler: LogHandler {
  package var logLevel: Logger.Level
  package var metadata: Logger.Metadata = [:]
  private let label: String
  private let format: LogFormat
  private let descriptor: CInt

  /// - Parameter descriptor: where lines go, standard error unless a test says otherwise. Not owned.
  package init(label: String, level: Logger.Level, format: LogFormat, descriptor: CInt = STDERR_FILENO) {
    self.label = label
    logLevel = level
    self.format = format
    self.descriptor = descriptor
  }

  /// Makes this handler the process's. Once, before the first logger.
  package static func bootstrap(level: Logger.Level, format: LogFormat) {
    LoggingSystem.bootstrap { LineLogHandler(label: $0, level: level, format: format) }
  }

  package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  package func log(event: LogEvent) {
    var values = metadata
    if let trace = TraceID.current { values["trace"] = "\(trace)" }
    if let own = event.metadata { values.merge(own) { $1 } }
    let line = LogLine(
      time: LogLine.now(), level: event.level, label: label, message: event.message.description, metadata: values)
    let bytes = Array((format == .json ? line.json : line.text).utf8)
    // SAFETY: the bytes outlive the call.
    bytes.withUnsafeBytes { _ = write(descriptor, $0.baseAddress, $0.count) }
  }
}
