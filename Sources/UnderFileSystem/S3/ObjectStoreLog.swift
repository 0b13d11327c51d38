import Synchronization
import ObjectStore
import SystemPackage

/// Where an object store's under file system says what an errno cannot.
package protocol ObjectStoreLog: Sendable {
  /// A call that object stores do not have was refused; said once for each sort of call.
  func refused(_ call: String)
  /// The store did not do what it was asked for.
  /// - Parameter message: for people, with the request's id.
  func failed(_ call: String, key: String, message: String)
}

/// Says nothing.
package struct SilentObjectStoreLog: ObjectStoreLog {
  package init() {}
  package func refused(_ call: String) {}
  package func failed(_ call: String, key: String, message: String) {}
}

extension ObjectStoreLog {
  /// Runs a call and turns its error into an errno, logged where that says too little.
  func reporting<Value>(
    _ call: String, _ path: NodePath, _ body: () throws(BucketError) -> Value
  ) throws(Errno) -> Value {
    do throws(BucketError) { return try body() } catch {
      report(error, call, path)
      throw error.errno
    }
  }

  func report(_ error: BucketError, _ call: String, _ path: NodePath) {
    if error.isForLog { failed(call, key: path.fileKey.description, message: error.description) }
  }
}

/// Remembers which sorts of calls were refused.
final class RefusedCalls: Sendable {
  private let seen = Mutex<Set<String>>([])
  private let log: any ObjectStoreLog

  init(_ log: any ObjectStoreLog) { self.log = log }

  /// The error to throw; logged the first time.
  func refuse(_ call: String) -> Errno {
    if seen.withLock({ $0.insert(call).inserted }) { log.refused(call) }
    return .notWithObjects
  }
}
