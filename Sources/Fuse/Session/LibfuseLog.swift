import CFuse
import Glibc
import Logging
import Synchronization

/// What libfuse has to say goes to the log, one record per line. libfuse knows one function per process.
enum LibfuseLog {
  private static let target = Mutex<Logger?>(nil)

  static func redirect(to log: Logger) {
    target.withLock { $0 = log }
    fuse_set_log_func { level, format, arguments in
      guard let format, let arguments else { return }
      var line = [CChar](repeating: 0, count: 512)
      // SAFETY: vsnprintf writes at most `count` bytes with a NUL, of a format and arguments that belong together.
      _ = line.withUnsafeMutableBufferPointer { cfuse_format($0.baseAddress, $0.count, format, arguments) }
      let text = String(decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
      let message = text.hasSuffix("\n") ? String(text.dropLast()) : text
      LibfuseLog.target.withLock { $0 }?.log(level: LibfuseLog.level(level), "\(message)")
    }
  }

  private static func level(_ level: fuse_log_level) -> Logger.Level {
    switch level {
    case FUSE_LOG_EMERG, FUSE_LOG_ALERT, FUSE_LOG_CRIT: .critical
    case FUSE_LOG_ERR: .error
    case FUSE_LOG_WARNING: .warning
    case FUSE_LOG_NOTICE: .notice
    case FUSE_LOG_INFO: .info
    default: .debug
    }
  }
}
