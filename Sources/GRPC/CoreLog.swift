import CGRPC
import Logging

/// Routes what gRPC core writes to its log into swift-log, at its level. Core's own levels are one louder than ours.
enum CoreLog {
  /// Once per process; later calls do nothing. Made at first use, when `LoggingSystem` has been set up.
  static func install() { _ = installed }

  private static let logger = Logger(label: "grpc-core")

  private static let installed: Void = {
    let severity: gpr_log_severity
    switch logger.logLevel {
    case .trace: severity = GPR_LOG_SEVERITY_DEBUG
    case .debug: severity = GPR_LOG_SEVERITY_INFO
    default: severity = GPR_LOG_SEVERITY_ERROR
    }
    gpr_set_log_verbosity(severity)
    gpr_set_log_function { arguments in
      guard let arguments = arguments?.pointee else { return }
      CoreLog.logger.log(
        level: CoreLog.level(arguments.severity), "\(String(cString: arguments.message))",
        metadata: ["at": "\(String(cString: arguments.file)):\(arguments.line)"])
    }
  }()

  private static func level(_ severity: gpr_log_severity) -> Logger.Level {
    switch severity {
    case GPR_LOG_SEVERITY_DEBUG: .trace
    case GPR_LOG_SEVERITY_INFO: .debug  // numbers of epoll descriptors and the like
    // core says ERROR of what peers do wrong as well; nothing of it is an error of this process.
    default: .warning
    }
  }
}
