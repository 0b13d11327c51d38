import HTTP
import ObjectStoreServers
import Synchronization
import TestSupport
import Testing

@Suite("Many transfers at a time")
struct StormTests {
  /// One transfer, with what it does and what it must come to.
  private struct Flight: Sendable {
    let size: Int
    let kind: String
    let cancelsAfter: Int?
    let stopsAfter: Int?
    let pausesEvery: Int?

    init(_ random: inout SeededGenerator) {
      size = Int.random(in: 0...400_000, using: &random)
      kind = random.oneIn(2) ? "bytes" : "chunked"
      cancelsAfter = random.oneIn(4) ? Int.random(in: 0...10, using: &random) : nil
      stopsAfter = random.oneIn(6) ? Int.random(in: 1...10, using: &random) : nil
      pausesEvery = random.oneIn(3) ? Int.random(in: 1...4, using: &random) : nil
    }

    /// Runs it to its end.
    func fly(_ client: HTTPClient, _ url: String) async throws {
      let transfer = Mutex<HTTPTransfer?>(nil)
      let sink = RecordingSink { calls in
        if calls == stopsAfter { return .stop }
        if calls == cancelsAfter { transfer.withLock { $0 }?.cancel() }
        guard let pausesEvery, calls % pausesEvery == 0 else { return .go }
        // Before the pause is known to anybody: it must not be lost.
        transfer.withLock { $0 }?.resume()
        return .pause
      }
      let started = client.begin(HTTPRequest(url: "\(url)/\(kind)/\(size)"), sink: sink)
      transfer.withLock { $0 = started.transfer }
      if cancelsAfter == 0 { started.transfer.cancel() }
      // The first pieces may have come before the sink knew its transfer.
      started.transfer.resume()
      let result = try await started.result.get()
      let bytes = sink.bytes
      switch result {
      case .success: #expect(bytes == pattern(0..<size))
      case .failure(let error):
        #expect(error.kind == .cancelled && (cancelsAfter != nil || stopsAfter != nil), "\(error)")
        #expect(bytes == pattern(0..<bytes.count))
      }
    }
  }

  @Test(
    "transfers that pause, resume, stop and are cancelled at any time each end once and rightly", arguments: [1, 2])
  func storm(seed: UInt64) async throws {
    let server = try ServerProcess.sharedEcho()
    var configuration = HTTPConfiguration()
    configuration.connectionsPerHost = 16
    configuration.idleConnections = 8
    let client = try HTTPClient(configuration)
    var random = SeededGenerator(seed: seed)
    let flights = (0..<200).map { _ in Flight(&random) }
    try await withThrowingTaskGroup { group in
      for flight in flights { group.addTask { try await flight.fly(client, server.url) } }
      try await group.waitForAll()
    }
    client.shutdown()
  }

  @Test("clients that are shut down in the middle of everything end all transfers once", arguments: 1...10)
  func shutdowns(seed: UInt64) async throws {
    let server = try ServerProcess.sharedEcho()
    let client = try HTTPClient()
    var random = SeededGenerator(seed: seed)
    let outcomes = (0..<40).map { _ in
      let size = Int.random(in: 0...2_000_000, using: &random)
      return client.begin(HTTPRequest(url: "\(server.url)/bytes/\(size)")).result
    }
    for outcome in outcomes.prefix(Int.random(in: 0...5, using: &random)) { _ = try await outcome.get() }
    client.shutdown()
    for outcome in outcomes.dropFirst(5) {
      if case .failure(let error) = try await outcome.get() { #expect(error.kind == .cancelled) }
    }
  }
}
