internal import Synchronization

/// What the request log learns of a call while it runs.
package final class CallRecord: Sendable {
  /// Of the call that the current task serves.
  @TaskLocal package static var current: CallRecord?

  private let name = Mutex<String?>(nil)

  /// Its volume: an id, or the name that CreateVolume was asked for.
  package var volume: String? {
    get { name.withLock { $0 } }
    set { name.withLock { $0 = newValue } }
  }
}
