import HTTP
import Kubernetes
import ObjectStoreServers
import Synchronization
import TestSupport
import Testing

@Suite("Watches")
struct WatchTests {
  let server: KubernetesServer
  let waits = Waits()
  let client: KubernetesClient

  init() async throws {
    server = try KubernetesServer()
    client = try KubernetesClient(server.url, waits: waits)
    _ = try await client.create(ConfigMap("a"))
  }

  /// A watch that has listed and is open.
  private func watching() async throws -> Watching<ConfigMap> {
    let watching = Watching<ConfigMap>(client)
    #expect(try await watching.nextWord() == "listed a")
    try await server.opened(1)
    return watching
  }

  /// How often was listed, and from where was watched.
  private func story() async throws -> (lists: Int, watches: [String]) {
    let calls = try await server.calls()
    let watched = calls.filter { $0.verb == "watch" }.map { call in
      String(call.target.split(separator: "resourceVersion=").last?.prefix { $0 != "&" } ?? "")
    }
    return (calls.filter { $0.verb == "list" }.count, watched)
  }

  @Test("all objects that there are, and then what happens to them")
  func changes() async throws {
    let watching = try await watching()
    _ = try await client.create(ConfigMap("b"))
    #expect(try await watching.nextWord() == "applied b")
    _ = try await client.patch(ConfigMap.self, name: "b", with: DataPatch(["x": "1"]))
    #expect(try await watching.nextWord() == "applied b")
    try await client.delete(ConfigMap.self, name: "a")
    #expect(try await watching.nextWord() == "removed a")
    #expect(await watching.end()?.kind == .cancelled)
  }

  @Test("what kmock's emulator tells")
  func kmock() async throws {
    let server = try ServerProcess.kmock(["v1/configmaps"])
    let client = try KubernetesClient(server.url)
    _ = try await client.create(ConfigMap("a"))
    let watching = Watching<ConfigMap>(client)
    #expect(try await watching.nextWord() == "listed a")
    // It begins each watch with all that there is.
    #expect(try await watching.nextWord() == "applied a")
    _ = try await client.create(ConfigMap("b"))
    #expect(try await watching.nextWord() == "applied b")
    try await client.delete(ConfigMap.self, name: "b")
    #expect(try await watching.nextWord() == "removed b")
    _ = await watching.end()
  }

  @Test("objects of a selection alone")
  func selection() async throws {
    _ = try await client.create(ConfigMap("x", namespace: "other"))
    let watching = Watching<ConfigMap>(client, ObjectSelection(namespace: "other", fields: "metadata.name=x"))
    #expect(try await watching.nextWord() == "listed x")
    try await server.opened(1)
    _ = try await client.create(ConfigMap("y", namespace: "other"))
    _ = try await client.patch(ConfigMap.self, name: "a", with: DataPatch(["x": "1"]))
    _ = try await client.patch(ConfigMap.self, name: "x", namespace: "other", with: DataPatch(["x": "1"]))
    #expect(try await watching.nextWord() == "applied x")
    _ = await watching.end()
  }

  @Test(
    "a watch that ends, is cut, reset, garbled or fails goes on from the last version, without a list",
    arguments: [KubernetesServer.WatchAct.end, .reset, .cut, .garble, .error])
  func goesOn(act: KubernetesServer.WatchAct) async throws {
    let watching = try await watching()
    _ = try await client.create(ConfigMap("b"))
    #expect(try await watching.nextWord() == "applied b")
    try await server.act(act)
    try await server.opened(2)
    _ = try await client.create(ConfigMap("c"))
    #expect(try await watching.nextWord() == "applied c")
    let (lists, watches) = try await story()
    #expect(lists == 1)
    #expect(watches == ["1001", "1002"])
    // What ends in good order is taken up at once.
    #expect(waits.durations.isEmpty == (act == .end))
    _ = await watching.end()
  }

  @Test("a bookmark moves the version from which a watch goes on")
  func bookmark() async throws {
    let watching = try await watching()
    _ = try await client.create(Widget("unrelated"))
    try await server.bookmark()
    try await server.compact()
    try await server.act(.end)
    try await server.opened(2)
    _ = try await client.create(ConfigMap("b"))
    #expect(try await watching.nextWord() == "applied b")
    let (lists, watches) = try await story()
    #expect(lists == 1 && watches == ["1001", "1002"])
    _ = await watching.end()
  }

  @Test("a server that has forgotten the version is listed again: what is gone meanwhile is not among the objects")
  func gone() async throws {
    let watching = try await watching()
    try await server.answer([.init(503, target: "watch="), .init(503, target: "watch=")])
    try await server.act(.reset)
    _ = try await client.create(ConfigMap("b"))
    try await client.delete(ConfigMap.self, name: "a")
    try await server.compact()
    // Either the watch was back before all of this, or it finds that it was forgotten.
    var last = ""
    while last != "listed b" && last != "removed a" { last = try await watching.nextWord() }
    _ = await watching.end()
  }

  @Test("410, in a line of a watch and as its answer, leads to a list at once and no report of trouble")
  func forgotten() async throws {
    let watching = try await watching()
    try await server.act(.gone)
    guard case .listed = try await watching.next() else { return #expect(Bool(false), "no list came") }
    try await server.opened(2)
    _ = try await client.create(ConfigMap("b"))
    #expect(try await watching.nextWord() == "applied b")
    try await server.answer([.init(410, reason: "Expired", target: "watch=")])
    try await server.act(.end)
    guard case .listed = try await watching.next() else { return #expect(Bool(false), "no list came") }
    #expect(waits.durations.isEmpty)
    #expect(try await story().lists == 3)
    _ = await watching.end()
  }

  @Test("a server that forgets every version is not asked without a pause")
  func alwaysForgotten() async throws {
    let watching = try await watching()
    try await server.answer(Array(repeating: .init(410, reason: "Expired", target: "watch="), count: 5))
    try await server.act(.gone)
    try await server.opened(2)
    _ = try await client.create(ConfigMap("b"))
    while try await watching.nextWord() != "applied b" {}
    #expect(waits.durations.count >= 4)
    _ = await watching.end()
  }

  @Test("watches that the server ends at once are not opened without a pause")
  func endedAtOnce() async throws {
    let watching = try await watching()
    try await server.answer(Array(repeating: .init(200, target: "watch=", body: ""), count: 5))
    try await server.act(.end)
    try await server.opened(2)
    _ = try await client.create(ConfigMap("b"))
    #expect(try await watching.nextWord() == "applied b")
    #expect(waits.durations.count >= 4)
    _ = await watching.end()
  }

  @Test("a server that is away is told about, waited for ever longer, and found again")
  func away() async throws {
    let watching = try await watching()
    try await server.answer(Array(repeating: .init(503, target: "watch=", headers: ["Retry-After": "7"]), count: 3))
    try await server.act(.end)
    for _ in 0..<3 {
      guard case .interrupted(let error) = try await watching.next() else {
        return #expect(Bool(false), "no interruption was told")
      }
      #expect(error.kind == .unavailable && error.retryAfter == .seconds(7))
    }
    try await server.opened(2)
    #expect(waits.durations.allSatisfy { $0 >= .seconds(7) } && waits.durations.count == 3)
    #expect(try await story().lists == 1)
    _ = await watching.end()
  }

  @Test("an object of another shape is told by its name, and the watch goes on")
  func unreadable() async throws {
    let watching = try await watching()
    let line = #"{"type":"MODIFIED","object":{"metadata":{"name":"bad","resourceVersion":"1009"},"data":[1]}}"#
    try await server.answer([.init(200, target: "watch=", body: "\(line)\n\n")])
    try await server.act(.end)
    #expect(try await watching.nextWord() == "unreadable bad")
    try await server.opened(2)
    #expect(try await story().watches == ["1001", "1001", "1009"])
    _ = await watching.end()
  }

  @Test("a reader that is slow loses nothing, and does not make the client keep everything")
  func slowReader() async throws {
    let (permits, give) = AsyncStream<Void>.makeStream()
    let seen = Mutex<[String]>([])
    let task = Task {
      var turns = permits.makeAsyncIterator()
      try? await client.watch(ConfigMap.self) { change in
        if case .applied(let object) = change {
          _ = await turns.next(isolation: nil)
          seen.withLock { $0.append(object.metadata.name) }
        }
      }
    }
    try await server.opened(1)
    let text = String(repeating: "x", count: 50_000)
    for number in 0..<300 { _ = try await client.create(ConfigMap("b\(number)", ["text": text])) }
    for _ in 0..<300 { give.yield() }
    while seen.withLock({ $0.count }) < 300 { await Task.yield() }
    #expect(seen.withLock { $0 } == (0..<300).map { "b\($0)" })
    task.cancel()
    give.finish()
    await task.value
  }

  @Test("the end of the task ends a watch that waits for a line, and its connection")
  func cancelled() async throws {
    let watching = try await watching()
    #expect(await watching.end()?.kind == .cancelled)
    client.shutdown()
  }
}
