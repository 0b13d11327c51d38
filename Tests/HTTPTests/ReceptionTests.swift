import HTTP
import ObjectStoreServers
import Synchronization
import Testing

@Suite("Pauses, ends and limits")
struct ReceptionTests {
  let server: ServerProcess
  let client: HTTPClient

  init() throws {
    server = try .sharedEcho()
    client = try HTTPClient()
  }

  @Test("a paused body goes on where it stopped, however often it is paused", arguments: ["bytes", "chunked"])
  func pauses(kind: String) async throws {
    let paused = Signal()
    let sink = RecordingSink { _ in
      paused.happen()
      return .pause
    }
    let (transfer, result) = client.begin(HTTPRequest(url: "\(server.url)/\(kind)/500000"), sink: sink)
    var isWhole = false
    while !isWhole {
      await paused.wait()
      // Asked while it is paused: the last piece is followed by a pause, too.
      isWhole = sink.bytes.count == 500_000
      let calls = sink.calls
      // Others are served meanwhile, and this one gets nothing.
      _ = try await client.get("\(server.url)/bytes/1")
      #expect(sink.calls == calls)
      transfer.resume()
    }
    #expect(try await result.get().get().status == 200)
    #expect(sink.bytes == pattern(0..<500_000))
  }

  @Test("a paused transfer does not stall")
  func pausedForLong() async throws {
    let paused = Signal()
    let sink = RecordingSink { calls in
      if calls == 1 { paused.happen() }
      return calls == 1 ? .pause : .go
    }
    var request = HTTPRequest(url: "\(server.url)/bytes/500000")
    request.timeouts.stall = .milliseconds(100)
    let (transfer, result) = client.begin(request, sink: sink)
    await paused.wait()
    // Another request stalls meanwhile, by the same limit.
    var other = HTTPRequest(url: "\(server.url)/drip/never")
    other.timeouts.stall = .milliseconds(200)
    let error = try #require(throws: HTTPError.self) { try client.perform(other, bodyLimit: 100) }
    #expect(error.kind == .timeout(.stall))
    transfer.resume()
    #expect(try await result.get().get().status == 200)
    #expect(sink.bytes.count == 500_000)
  }

  @Test("a pause at the head keeps the body back")
  func pauseAtHead() async throws {
    let paused = Signal()
    let sink = RecordingSink(onHead: {
      paused.happen()
      return .pause
    })
    let (transfer, result) = client.begin(HTTPRequest(url: "\(server.url)/bytes/100000"), sink: sink)
    await paused.wait()
    _ = try await client.get("\(server.url)/bytes/1")
    #expect(sink.bytes.isEmpty)
    transfer.resume()
    #expect(try await result.get().get().status == 200)
    #expect(sink.bytes == pattern(0..<100_000))
  }

  @Test("a resume without a pause does nothing")
  func resumeForNothing() async throws {
    let (transfer, result) = client.begin(HTTPRequest(url: "\(server.url)/wait/one"))
    transfer.resume()
    _ = try await client.get("\(server.url)/release/one")
    #expect(try await result.get().get().status == 200)
    transfer.resume()
    transfer.cancel()
    #expect(try await client.get("\(server.url)/bytes/1").head.status == 200)
  }

  @Test("a sink that wants no more ends its transfer", arguments: [0, 1, 3])
  func stops(after calls: Int) async throws {
    let sink = RecordingSink(answer: { $0 == calls ? .stop : .go }, onHead: { calls == 0 ? .stop : .go })
    let (_, result) = client.begin(HTTPRequest(url: "\(server.url)/bytes/50000000"), sink: sink)
    guard case .failure(let error) = try await result.get() else {
      Issue.record("it went on to its end")
      return
    }
    #expect(error.kind == .cancelled)
    #expect(sink.calls == calls)
  }

  @Test("a request is cancelled while the server thinks")
  func cancelWaiting() async throws {
    let (transfer, result) = client.begin(HTTPRequest(url: "\(server.url)/wait/cancelled"))
    _ = try await client.get("\(server.url)/bytes/1")
    transfer.cancel()
    transfer.cancel()
    guard case .failure(let error) = try await result.get() else {
      Issue.record("it was answered")
      return
    }
    #expect(error.kind == .cancelled)
    #expect(error.message == "the request to 127.0.0.1:\(server.port) was cancelled")
  }

  @Test("a request is cancelled in the middle of its body")
  func cancelInBody() async throws {
    let paused = Signal()
    let sink = RecordingSink { _ in
      paused.happen()
      return .pause
    }
    let (started, result) = client.begin(HTTPRequest(url: "\(server.url)/bytes/5000000"), sink: sink)
    await paused.wait()
    started.cancel()
    guard case .failure(let error) = try await result.get() else {
      Issue.record("it went on to its end")
      return
    }
    #expect(error.kind == .cancelled)
  }

  @Test("the end of a task cancels its request")
  func cancelledTask() async throws {
    let task = Task { try await client.get("\(server.url)/wait/task") }
    _ = try await client.get("\(server.url)/bytes/1")
    task.cancel()
    let error = await #expect(throws: HTTPError.self) { try await task.value }
    #expect(error?.kind == .cancelled)
  }

  @Test("a task that was cancelled before gets no answer")
  func cancelledBefore() async throws {
    let task = Task {
      withUnsafeCurrentTask { $0?.cancel() }
      return try await client.get("\(server.url)/wait/before")
    }
    let error = await #expect(throws: HTTPError.self) { try await task.value }
    #expect(error?.kind == .cancelled)
  }

  @Test("a body up to the limit is taken, a longer one is not", arguments: ["bytes", "chunked"])
  func bodyLimit(kind: String) async throws {
    #expect(try await client.get("\(server.url)/\(kind)/100000", limit: 100_000).body.count == 100_000)
    let url = "\(server.url)/\(kind)/100001"
    let error = await #expect(throws: HTTPError.self) { try await client.get(url, limit: 100_000) }
    #expect(error?.kind == .tooLarge)
    #expect(error?.message == "the answer of 127.0.0.1:\(server.port) is longer than 100000 bytes")
  }

  @Test("a head of many fields is taken, a giant one is not")
  func headLimit() async throws {
    #expect(try await client.get("\(server.url)/fields/500").head.fields.count > 500)
    let error = await #expect(throws: HTTPError.self) { try await client.get("\(server.url)/fields/800") }
    #expect(error?.kind == .tooLarge)
  }

  @Test("one giant field is not taken")
  func giantField() async throws {
    let proxy = try FaultProxy(before: server)
    let giant = String(repeating: "x", count: 200_000)
    try proxy.inject(Fault("respond") { ($0.status, $0.headers) = (200, ["X-Giant": giant]) })
    let error = await #expect(throws: HTTPError.self) { try await client.get("\(proxy.url)/x") }
    #expect(error?.kind == .tooLarge)
    #expect(error.map { $0.message.count < 200 } == true)
  }

  @Test("transfers that are started and cancelled from completions and sinks")
  func reentrance() async throws {
    let done = Signal()
    let (client, url) = (client, server.url)
    let (_, result) = client.begin(HTTPRequest(url: "\(url)/bytes/10"))
    _ = try await result.get().get()
    client.start(HTTPRequest(url: "\(url)/bytes/10"), sink: RecordingSink()) { _ in
      let error = #expect(throws: HTTPError.self) { try client.perform(HTTPRequest(url: url), bodyLimit: 1) }
      #expect(error?.kind == .invalid)
      let next = client.start(HTTPRequest(url: "\(url)/wait/reentrance"), sink: RecordingSink()) { _ in done.happen() }
      next.cancel()
    }
    await done.wait()
  }
}
