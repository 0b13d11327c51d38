import BenchmarkCalls
import Foundation
import GRPC
import LinuxSystem
import Logging

/// Latency and throughput of calls, beside a bare server in this process that does nothing but answer.
struct RPCBenchmark {
  let plugin: Plugin
  let rounds: Int
  private let calls = 2_000

  func run(into report: inout Report) async throws {
    let bare = try BareServer(folder: plugin.work)
    defer { bare.stop() }
    _ = try await bare.client.call(
      "/csi.v1.Identity/Probe", OutgoingMessage(), timeout: .seconds(20), waitForReady: true)
    var driver = Samples()
    var reference = Samples()
    var ratios: [Double] = []
    for _ in 0..<rounds {
      let ours = try await sequential { try await CSICalls(client: plugin.client).probe() }
      let theirs = try await sequential { try await CSICalls(client: bare.client).probe() }
      ratios.append(theirs.median / max(ours.median, 1))
      driver.append(ours)
      reference.append(theirs)
    }
    report.addRatio(
      "rpc", "Probe p50", driver.median, "µs", ratio: median(ratios), reference: "bare server", floor: 0.9)
    report.add("rpc", "Probe p99", driver.percentile(0.99), "µs")
    report.add("rpc", "Probe, 16 concurrent", try await concurrent(16), "call/s")
    let create = try await sequential(500) {
      try await CSICalls(client: plugin.client).createVolume("bench-rpc", path: "file://\(plugin.underFileSystem)")
    }
    report.add("rpc", "CreateVolume (repeated) p50", create.median, "µs")
    try await CSICalls(client: plugin.client).deleteVolume("bench-rpc")
  }

  private func sequential(_ count: Int? = nil, _ body: () async throws -> Void) async throws -> Samples {
    var samples = Samples()
    for _ in 0..<(count ?? calls) {
      let start = ContinuousClock.now
      try await body()
      samples.add(ContinuousClock.now - start)
    }
    return samples
  }

  private func concurrent(_ clients: Int) async throws -> Double {
    let calls = CSICalls(client: plugin.client)
    let each = self.calls
    let start = ContinuousClock.now
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<clients {
        group.addTask { for _ in 0..<each { try await calls.probe() } }
      }
      try await group.waitForAll()
    }
    return Double(clients * each) / ((ContinuousClock.now - start) / .seconds(1))
  }
}

/// gRPC core and nothing above it: a process of its own that answers every Probe with nothing.
struct BareServer {
  private let process: Process
  let client: Client

  init(folder: String) throws {
    let endpoint = try Endpoint(path: "\(folder)/bare/bare.sock")
    process = try Command.start(
      CommandLine.arguments[0], ["--bare-server", endpoint.description], log: "\(folder)/bare.log")
    client = Client(endpoint)
  }

  /// The process's whole life.
  static func serve(_ endpoint: String) async throws {
    let signals = try TerminationSignal.signals()
    let server = try Server(
      endpoint: Endpoint(endpoint), handlers: ["/csi.v1.Identity/Probe": { _, _ in OutgoingMessage() }],
      logger: Logger(label: "bench") { _ in SwiftLogNoOpLogHandler() })
    for await _ in signals { break }
    await server.shutdown(grace: .seconds(1))
  }

  func stop() {
    client.close()
    process.terminate()
    process.waitUntilExit()
  }
}
