package import HTTP
package import LinuxSystem
package import Logging
import Synchronization
package import VolumeModel

/// Requests to one bucket: signed, sent, tried again where that helps, and counted.
///
/// Every request has a deadline. Its completion is called once, on the HTTP client's thread or one of the clock's: it must
/// not wait.
package final class ObjectStoreClient: Sendable {
  /// What stays the same for all requests.
  package struct Settings: Sendable {
    /// When a request is tried again.
    package var policy = RetryPolicy()
    /// Of one attempt; its total is cut to what is left until the deadline.
    package var timeouts = HTTPTimeouts(
      connect: .seconds(5), response: .seconds(20), stall: .seconds(20), total: nil)
    /// Whether bodies are hashed over TLS, too, which protects them already.
    package var signsPayloads = false
    package var prefersHTTP2 = false

    package init() {}
  }

  /// What answers teach.
  private struct Learned {
    var endpoint: Endpoint
    /// Seconds that the service's clock is ahead of this node's.
    var clockOffset: Int64 = 0
  }

  let transport: any HTTPTransport
  let settings: Settings
  let clock: any RequestClock
  let log: Logger
  private let learned: Mutex<Learned>
  let signingKey = Mutex<SigningKey?>(nil)
  /// Where credentials come from; shared by clients of one volume.
  package let credentials: CredentialStore
  /// All attempts so far.
  package let statistics: RequestStatistics

  package init(
    _ endpoint: Endpoint, transport: any HTTPTransport, credentials: CredentialStore, settings: Settings = Settings(),
    clock: any RequestClock = SystemRequestClock(), statistics: RequestStatistics = RequestStatistics(), log: Logger
  ) {
    learned = Mutex(Learned(endpoint: endpoint))
    self.transport = transport
    self.credentials = credentials
    self.settings = settings
    self.clock = clock
    self.statistics = statistics
    self.log = log
  }

  /// Where requests go now; its region is the one that the service named, if it did.
  package var endpoint: Endpoint { learned.withLock { $0.endpoint } }
  /// Seconds that the service's clock is ahead of this node's, as far as it objected.
  package var clockOffset: Int64 { learned.withLock { $0.clockOffset } }

  func learn(region: String) -> Bool { learned.withLock { $0.endpoint.learn(region: region) } }
  func learn(clockOffset: Int64) { learned.withLock { $0.clockOffset = clockOffset } }

  /// Sends a request.
  /// - Parameter candidate: credentials to try instead of the current ones.
  /// - Returns: the request under way; it goes on without its owner.
  @discardableResult
  package func start<Value>(
    _ request: ObjectRequest<Value>, by deadline: Deadline, with candidate: ObjectStoreCredentials? = nil,
    completion: @escaping @Sendable (Result<Value, ObjectStoreError>) -> Void
  ) -> ObjectExchange {
    let run = ObjectRun(request, of: self, by: deadline, with: candidate, completion: completion)
    run.start()
    return ObjectExchange(cancel: { run.cancel() }, resume: { run.resume() })
  }

  /// Sends a request and waits for its end. For threads that may wait: neither tasks nor the HTTP client's own.
  package func perform<Value>(
    _ request: ObjectRequest<Value>, by deadline: Deadline, with candidate: ObjectStoreCredentials? = nil
  ) throws(ObjectStoreError) -> Value {
    let waiter = Waiter<Value>()
    start(request, by: deadline, with: candidate) { waiter.finish($0) }
    return try waiter.wait().get()
  }

  /// Takes other credentials, once the service has answered a request that they signed; until then, and where it refuses
  /// them, the old ones stay in use. Waits as ``perform(_:by:with:)`` does.
  package func replaceCredentials(
    with source: any CredentialSource, prefix: ObjectKey, by deadline: Deadline
  ) throws(ObjectStoreError) {
    let candidate: ObjectStoreCredentials?
    do throws(CredentialError) {
      candidate = try source.fetch(by: deadline)
    } catch {
      throw failure(.noCredentials, .list, "\(error)")
    }
    guard let candidate else { throw failure(.noCredentials, .list, "none were found in \(source.name)") }
    do throws(ObjectStoreError) {
      _ = try perform(.list(prefix: prefix, limit: 1), by: deadline, with: candidate)
    } catch  where error.kind == .accessDenied {
      // The service knows the key: that it may not list is no reason to keep the old one.
    }
    credentials.adopt(source, candidate)
  }

  func failure(
    _ kind: ObjectStoreError.Kind, _ operation: ObjectOperation, _ message: String
  ) -> ObjectStoreError {
    let endpoint = endpoint
    return ObjectStoreError(
      kind, operation, endpoint: endpoint.address.authority, bucket: endpoint.bucket, message: message)
  }
}

/// The last key that was made for signatures: it is good for a day. A secret, like what it is made of.
struct SigningKey: Sendable, CustomReflectable {
  let credentials: ObjectStoreCredentials
  let region: String
  let day: String
  let key: [UInt8]
  var customMirror: Mirror { Mirror(self, children: []) }
}

/// One request under way.
package struct ObjectExchange: Sendable {
  private let onCancel: @Sendable () -> Void
  private let onResume: @Sendable () -> Void

  init(cancel: @escaping @Sendable () -> Void, resume: @escaping @Sendable () -> Void) {
    (onCancel, onResume) = (cancel, resume)
  }

  /// Ends it as `.cancelled`, unless it has ended.
  package func cancel() { onCancel() }

  /// Goes on after a sink's pause.
  package func resume() { onResume() }
}

/// A thread that waits for one result.
private final class Waiter<Value: Sendable>: Sendable {
  private let result = Mutex<Result<Value, ObjectStoreError>?>(nil)
  private let monitor = Monitor()
  private let isDone: Condition

  init() { isDone = Condition(of: monitor) }

  func finish(_ value: Result<Value, ObjectStoreError>) {
    monitor.locked {
      result.withLock { $0 = value }
      isDone.broadcast()
    }
  }

  func wait() -> Result<Value, ObjectStoreError> {
    monitor.locked {
      while true {
        if let value = result.withLock({ $0 }) { return value }
        isDone.wait()
      }
    }
  }
}
