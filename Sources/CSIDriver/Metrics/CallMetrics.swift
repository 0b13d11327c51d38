package import GRPC
package import Metrics
internal import Synchronization

/// Counts every call by method and code, and how long it took. Methods are those that are served: what a client makes up is
/// counted as `other`.
package final class CallMetrics: Interceptor {
  private struct Method {
    var codes: [StatusCode: UInt64] = [:]
    var seconds = Histogram(bounds: MetricTable.rpcSeconds.bounds ?? [])
  }
  private struct State {
    var methods: [String: Method] = [:]
    var running: UInt64 = 0
  }

  /// Labels by full name.
  private let names: [String: String]
  private let state = Mutex(State())

  private static let other = "other"

  /// - Parameter methods: full names of those that are served: `/csi.v1.Identity/Probe`.
  package init(methods: some Sequence<String>) {
    names = Dictionary(
      uniqueKeysWithValues: methods.map { name in (name, name.split(separator: "/").last.map(String.init) ?? name) })
  }

  package func intercept(
    _ request: consuming IncomingMessage, _ context: CallContext, _ next: UnaryHandler
  ) async throws -> OutgoingMessage {
    let start = ContinuousClock.now
    state.withLock { $0.running += 1 }
    do {
      let reply = try await next(request, context)
      note(context, .ok, start)
      return reply
    } catch {
      note(context, RPCError(thrown: error, context).code, start)
      throw error
    }
  }

  private func note(_ context: CallContext, _ code: StatusCode, _ start: ContinuousClock.Instant) {
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    let name = names[context.method] ?? Self.other
    state.withLock { state in
      state.running -= 1
      state.methods[name, default: Method()].codes[code, default: 0] += 1
      state.methods[name, default: Method()].seconds.add(seconds)
    }
  }

  package func add(to exposition: inout Exposition) {
    let (methods, running) = state.withLock { ($0.methods, $0.running) }
    for (name, method) in methods.sorted(by: { $0.key < $1.key }) {
      for (code, count) in method.codes.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
        exposition.add(MetricTable.rpcs, [name, "\(code)"], count: count)
      }
      exposition.add(MetricTable.rpcSeconds, [name], method.seconds)
    }
    exposition.add(MetricTable.rpcsRunning, count: running)
  }
}
