import GRPC
import Glibc
import Logging
import Synchronization
import TestSupport

/// Something that happens once and can be waited for.
final class Event: Sendable {
  private struct State {
    var hasHappened = false
    var waiters: [CheckedContinuation<Void, Never>] = []
  }
  private let state = Mutex(State())

  func signal() {
    let waiters = state.withLock { state in
      state.hasHappened = true
      defer { state.waiters = [] }
      return state.waiters
    }
    for waiter in waiters { waiter.resume() }
  }

  var hasHappened: Bool { state.withLock { $0.hasHappened } }

  func wait() async {
    await withCheckedContinuation { continuation in
      let isOver = state.withLock { state in
        if !state.hasHappened { state.waiters.append(continuation) }
        return state.hasHappened
      }
      if isOver { continuation.resume() }
    }
  }
}

/// A server on a socket of its own, with methods whose course a test controls.
final class TestServer: Sendable {
  let folder: TemporaryDirectory
  let endpoint: Endpoint
  let server: Server
  /// A call of `/test/Wait`, `/test/Gate` or `/test/Stubborn` is in its handler.
  let started: Event
  /// The task of that call was cancelled.
  let cancelled: Event
  /// Lets `/test/Gate` and `/test/Stubborn` go on.
  let gate: Event

  init(interceptors: [any Interceptor] = [], handlers more: [String: UnaryHandler] = [:]) throws {
    folder = try TemporaryDirectory("grpc")
    endpoint = try Endpoint(path: folder.appending("csi.sock"))
    let (started, cancelled, gate) = (Event(), Event(), Event())
    (self.started, self.cancelled, self.gate) = (started, cancelled, gate)
    let echo: UnaryHandler = { request, _ in OutgoingMessage(request.withBytes { Array($0) }) }
    let handlers: [String: UnaryHandler] = [
      "/test/Echo": echo,
      "/test/Gate": { request, context in
        started.signal()
        await gate.wait()
        return try await echo(request, context)
      },
      "/test/Wait": { _, _ in
        let end = Event()
        await withTaskCancellationHandler {
          started.signal()
          await end.wait()
        } onCancel: {
          cancelled.signal()
          end.signal()
        }
        throw CancellationError()
      },
      "/test/Stubborn": { _, _ in
        await withTaskCancellationHandler {
          started.signal()
          await gate.wait()
        } onCancel: {
          cancelled.signal()
        }
        return OutgoingMessage()
      },
    ]
    server = try Server(
      endpoint: endpoint, handlers: handlers.merging(more) { $1 }, interceptors: interceptors, logger: .quiet)
  }

  /// Calls `/test/Echo` through a client of its own.
  func echo(_ bytes: [UInt8] = [1, 2, 3]) async throws -> [UInt8] {
    let client = Client(endpoint)
    return try await client.call("/test/Echo", OutgoingMessage(bytes), timeout: .seconds(30)).withBytes { Array($0) }
  }

  func stop() async { await server.shutdown(grace: .seconds(30)) }
}

extension Logger {
  static let quiet = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
}

/// The status that a call ends with.
func status(_ body: () async throws(RPCError) -> Void) async -> RPCError? {
  do { try await body() } catch { return error }
  return nil
}

func pathExists(_ path: String) -> Bool { access(path, F_OK) == 0 }
