import GRPC
import Glibc
import LinuxSystem
import Logging
import TestSupport
import Testing

/// What concerns a whole process runs in one of its own, so that no other test is in the way.
@Suite("A process with servers and clients", .timeLimit(.minutes(2)))
struct ProcessTests {
  @Test("servers and clients that come and go leave no descriptor behind")
  func leaks() async {
    await #expect(processExitsWith: .success) {
      func round() async throws {
        let server = try TestServer()
        for _ in 0..<10 { _ = try await server.echo() }
        let connection = try RawConnection(server.endpoint)
        connection.sendPreface()
        connection.sendCall("/test/Wait", authority: "localhost", message: [])
        await server.started.wait()
        connection.close()
        await server.cancelled.wait()
        await server.stop()
      }
      try await round()  // what core keeps for the life of the process
      let before = try LeakSnapshot(mountsBeneath: nil)
      for _ in 0..<5 { try await round() }
      // core closes a client's socket on a thread of its own, at some time after the client has closed, and now and then
      // not before it has something else to do. What leaks grows with every round.
      let limit = ContinuousClock.now + .seconds(30)
      var rounds = 5
      var leaks = try LeakSnapshot(mountsBeneath: nil).leaks(since: before, rounds: rounds)
      while !leaks.isEmpty, .now < limit {
        try await round()
        rounds += 1
        leaks = try LeakSnapshot(mountsBeneath: nil).leaks(since: before, rounds: rounds)
      }
      #expect(leaks == [])
      if !leaks.isEmpty { exit(1) }
    }
  }

  @Test("every descriptor of server and client is closed on exec")
  func closeOnExec() async {
    await #expect(processExitsWith: .success) {
      let inherited = Set(try DirectoryNames.list("/proc/self/fd").map { "\($0)" })
      let server = try TestServer()
      let client = Client(server.endpoint)
      _ = try await client.call("/test/Echo", OutgoingMessage())
      var count = 0
      for name in try DirectoryNames.list("/proc/self/fd") where !inherited.contains("\(name)") {
        guard let info = try? WholeFile.text("/proc/self/fdinfo/\(name)") else { continue }
        let flags = info.split(separator: "\n").first { $0.hasPrefix("flags:") }?.dropFirst(6)
          .drop { $0.isWhitespace }
        let isClosed = flags.flatMap { Int($0, radix: 8) }.map { $0 & Int(O_CLOEXEC) != 0 } ?? false
        if !isClosed { exit(1) }
        count += 1
      }
      if count < 4 { exit(2) }  // listening, connected twice, epoll: the loop saw them
      await server.stop()
    }
  }

  @Test("SIGTERM and SIGINT arrive under an async main, each as often as sent")
  func terminationSignal() async {
    await #expect(processExitsWith: .exitCode(7)) {
      var received: [CInt] = []
      let signals = try TerminationSignal.signals()
      kill(getpid(), SIGTERM)
      for await signal in signals {
        received.append(signal)
        if received.count == 1 { kill(getpid(), SIGINT) }
        if received.count == 2 { exit(received == [SIGTERM, SIGINT] ? 7 : 1) }
      }
    }
  }

  @Test("what gRPC core has to say goes to swift-log")
  func coreLog() async {
    await #expect(processExitsWith: .success) {
      let heard = Event()
      LoggingSystem.bootstrap { label in EventLogHandler(label: label, heard: heard) }
      let server = try TestServer()
      let connection = try RawConnection(server.endpoint)
      connection.send(Array("GET / HTTP/1.1\r\n\r\n".utf8))
      await heard.wait()  // never, and so the time limit, when core's log goes elsewhere
      connection.close()
      await server.stop()
    }
  }
}

/// Tells of the first line of core.
private struct EventLogHandler: LogHandler {
  let label: String
  let heard: Event
  var logLevel = Logger.Level.debug
  var metadata: Logger.Metadata = [:]

  init(label: String, heard: Event) {
    self.label = label
    self.heard = heard
  }

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    if label == "grpc-core" { heard.signal() }
  }
}
