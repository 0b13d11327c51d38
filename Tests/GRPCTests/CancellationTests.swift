import GRPC
import TestSupport
import Testing

@Suite("Ends of calls", .timeLimit(.minutes(2)))
struct CancellationTests {
  @Test("a deadline that passes cancels the handler and ends the call with DEADLINE_EXCEEDED")
  func deadline() async throws {
    let server = try TestServer()
    let client = Client(server.endpoint)
    // On a busy machine a deadline may pass before the call has reached its handler: then a longer one is tried.
    var timeout = Duration.milliseconds(200)
    repeat {
      let error = await status { () throws(RPCError) in
        _ = try await client.call("/test/Wait", OutgoingMessage(), timeout: timeout)
      }
      #expect(error?.code == .deadlineExceeded)
      timeout *= 2
    } while !server.started.hasHappened
    await server.cancelled.wait()
    await server.stop()
  }

  @Test("cancelling the client's task cancels the handler")
  func cancel() async throws {
    let server = try TestServer()
    let client = Client(server.endpoint)
    let call = Task {
      await status { () throws(RPCError) in _ = try await client.call("/test/Wait", OutgoingMessage()) }
    }
    await server.started.wait()
    call.cancel()
    #expect(await call.value?.code == .cancelled)
    await server.cancelled.wait()
    await server.stop()
  }

  @Test("a task that is cancelled before its call ends it at once")
  func cancelledBefore() async throws {
    let server = try TestServer()
    let client = Client(server.endpoint)
    let go = Event()
    let call = Task {
      await go.wait()
      return await status { () throws(RPCError) in _ = try await client.call("/test/Wait", OutgoingMessage()) }
    }
    call.cancel()
    go.signal()
    #expect(await call.value?.code == .cancelled)
    await server.stop()
  }

  @Test("a client that disconnects cancels the handler")
  func disconnect() async throws {
    let server = try TestServer()
    let connection = try RawConnection(server.endpoint)
    connection.sendPreface()
    connection.sendCall("/test/Wait", authority: "localhost", message: [])
    await server.started.wait()
    connection.close()
    await server.cancelled.wait()
    #expect(try await server.echo() == [1, 2, 3])
    await server.stop()
  }

  @Test("a graceful shutdown finishes running calls, refuses new ones and removes the socket")
  func graceful() async throws {
    let server = try TestServer()
    let client = Client(server.endpoint)
    let running = Task {
      try await client.call("/test/Gate", OutgoingMessage([5]), timeout: .seconds(60)).withBytes { Array($0) }
    }
    await server.started.wait()
    #expect(server.server.runningHandlers == 1)
    let shutdown = Task { await server.server.shutdown(grace: .seconds(60)) }
    // The listening socket closes first; until then calls are served.
    while await status({ () throws(RPCError) in
      let other = Client(server.endpoint)
      _ = try await other.call("/test/Echo", OutgoingMessage(), timeout: .seconds(60))
    }) == nil {}
    server.gate.signal()
    #expect(try await running.value == [5])
    await shutdown.value
    #expect(!pathExists(server.endpoint.path))
    #expect(server.server.runningHandlers == 0)
  }

  @Test("a shutdown whose grace is over cancels running calls")
  func graceOver() async throws {
    let server = try TestServer()
    let client = Client(server.endpoint)
    let running = Task {
      await status { () throws(RPCError) in _ = try await client.call("/test/Wait", OutgoingMessage()) }
    }
    await server.started.wait()
    await server.server.shutdown(grace: .zero)
    await server.cancelled.wait()
    let code = try #require(await running.value?.code)
    #expect([.cancelled, .unavailable].contains(code))
  }

  @Test("a handler that ignores its cancellation holds up neither its client nor the shutdown")
  func stubborn() async throws {
    let server = try TestServer()
    let client = Client(server.endpoint)
    let running = Task {
      await status { () throws(RPCError) in _ = try await client.call("/test/Stubborn", OutgoingMessage()) }
    }
    await server.started.wait()
    await server.server.shutdown(grace: .zero)
    #expect(server.server.runningHandlers == 1)
    #expect(await running.value != nil)
    server.gate.signal()  // its reply goes nowhere
  }

  @Test("thousands of calls cancelled at random leave the server serving")
  func storm() async throws {
    let server = try TestServer()
    let seed: UInt64 = 20_251_121
    await withTaskGroup(of: Void.self) { group in
      for worker in 0..<8 {
        group.addTask {
          var random = SeededGenerator(seed: seed + UInt64(worker))
          let client = Client(server.endpoint)
          for _ in 0..<150 {
            let method = random.oneIn(2) ? "/test/Echo" : "/test/Wait"
            let timeout = Duration.microseconds(Int.random(in: 0...3000, using: &random))
            let call = Task {
              await status { () throws(RPCError) in
                _ = try await client.call(method, OutgoingMessage([1]), timeout: timeout)
              }
            }
            if random.oneIn(3) { call.cancel() }
            if let code = await call.value?.code { #expect([.cancelled, .deadlineExceeded].contains(code)) }
          }
        }
      }
    }
    #expect(try await server.echo() == [1, 2, 3])
    await server.stop()
    #expect(server.server.runningHandlers == 0)
  }
}
