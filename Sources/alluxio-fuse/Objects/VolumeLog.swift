import Logging
import UnderFileSystem

/// The worker's log as the under file system of an object store writes to it.
struct VolumeLog: ObjectStoreLog {
  private let log: Logger

  init(_ log: Logger) { self.log = log }

  func refused(_ call: String) {
    log.notice("object stores have no \(call): it is refused, and said once", metadata: ["call": "\(call)"])
  }

  func failed(_ call: String, key: String, message: String) {
    log.error("\(call) failed", metadata: ["key": "\(key)", "error": "\(message)"])
  }
}
