import HTTP
import Kubernetes
import ObjectStoreServers
import Synchronization
import TestSupport
import Testing

@Suite("Calls that do not get through at once")
struct FaultTests {
  let server: KubernetesServer
  let waits = Waits()
  let client: KubernetesClient

  init() throws {
    server = try KubernetesServer()
    client = try KubernetesClient(server.url, waits: waits)
  }

  private func get(_ client: KubernetesClient, _ name: String = "a") async throws(KubernetesError) -> ConfigMap {
    try await client.get(name: name)
  }

  @Test("429 with Retry-After is waited for, and asked again, a creation too")
  func busy() async throws {
    try await server.answer([.init(429, reason: "TooManyRequests", headers: ["Retry-After": "3"])])
    _ = try await client.create(ConfigMap("a"))
    try await server.answer([.init(429, reason: "TooManyRequests", headers: ["Retry-After": "2"]), .init(429)])
    _ = try await get(client)
    let durations = waits.durations
    #expect(durations.count == 3)
    #expect(durations[0] >= .seconds(3) && durations[1] >= .seconds(2) && durations[2] > .zero)
  }

  @Test("a server that asks for more patience than there is gets no second request")
  func tooBusy() async throws {
    try await server.answer([.init(429, reason: "TooManyRequests", headers: ["Retry-After": "86000"])])
    let error = await failure { () async throws(KubernetesError) in try await get(client) }
    #expect(error?.kind == .busy && error?.retryAfter == .seconds(86_000))
    #expect(waits.durations.isEmpty)
    #expect(try await server.calls().count == 1)
  }

  @Test("500 and 503: what can be repeated is, a creation is not", arguments: [500, 503, 504])
  func broken(status: Int) async throws {
    _ = try await client.create(ConfigMap("a"))
    try await server.answer([.init(status), .init(status)])
    _ = try await get(client)
    #expect(waits.durations.count == 2)
    try await server.answer([.init(status)])
    let error = await failure { () async throws(KubernetesError) in try await client.create(ConfigMap("b")) }
    #expect(error?.kind == .unavailable && error?.status == status && error?.mayHaveHappened == true)
    #expect(waits.durations.count == 2)
  }

  @Test("a creation that the server puts off is asked for again")
  func postponed() async throws {
    try await server.answer([.init(503, headers: ["Retry-After": "1"])])
    #expect(try await client.create(ConfigMap("a")).metadata.name == "a")
  }

  @Test("a server that stays broken is given up after the attempts of the policy")
  func givenUp() async throws {
    let client = try KubernetesClient(server.url, waits: waits, policy: .endless(attempts: 4))
    try await server.answer(Array(repeating: .init(500), count: 9))
    #expect(await failure { () async throws(KubernetesError) in try await get(client) }?.kind == .unavailable)
    #expect(try await server.calls().count == 4)
    #expect(waits.durations.count == 3)
  }

  @Test(
    "answers that are lost, cut or garbled on their way are asked for again",
    arguments: [
      Fault.reset(after: nil), .reset(after: 5), .truncate(after: 5), .noise,
      Fault("garbage") { $0.body = "<html>\u{0}" },
    ])
  func lost(fault: Fault) async throws {
    let proxy = try FaultProxy(before: server.process)
    let client = try KubernetesClient(proxy.url + server.path, waits: waits)
    _ = try await client.create(ConfigMap("a"))
    try proxy.inject(fault.on(method: "GET"))
    #expect(try await get(client).metadata.name == "a")
    #expect(try proxy.injected() == [1])
  }

  @Test("a creation whose answer is lost may have happened, and is not repeated")
  func lostCreation() async throws {
    let proxy = try FaultProxy(before: server.process)
    let client = try KubernetesClient(proxy.url + server.path, waits: waits)
    var fault = Fault.reset(after: nil).on(method: "POST")
    fault.forward = true
    try proxy.inject(fault)
    let error = await failure { () async throws(KubernetesError) in try await client.create(ConfigMap("a")) }
    #expect(error?.kind == .unavailable && error?.mayHaveHappened == true)
    #expect(try await get(client).metadata.name == "a")
  }

  @Test("an answer that stays garbled is an error that names the place, not the text")
  func garbled() async throws {
    try await server.answer(Array(repeating: .init(200, body: #"{"metadata":{"uid":"secret"}}"#), count: 2))
    let error = await failure { () async throws(KubernetesError) in try await get(client) }
    #expect(error?.kind == .unreadable)
    #expect(error?.message.hasSuffix("(metadata has no name)") == true)
    #expect(error?.message.contains("secret") == false)
  }

  @Test("a proxy's page in place of an answer")
  func page() async throws {
    try await server.answer([.init(418, headers: ["Content-Type": "text/html"], body: "<html>no</html>")])
    let error = await failure { () async throws(KubernetesError) in try await get(client) }
    #expect(error?.kind == .invalid && error?.message == "get configmaps: 418")
  }

  @Test("a redirect is not followed")
  func redirect() async throws {
    try await server.answer([.init(302, headers: ["Location": "http://127.0.0.1:1/"])])
    let error = await failure { () async throws(KubernetesError) in try await get(client) }
    #expect(error?.kind == .invalid && error?.status == 302)
  }

  @Test("nobody listens there: all attempts, then an error that names the server")
  func nobody() async throws {
    let client = try KubernetesClient("http://127.0.0.1:1", waits: waits)
    let error = await failure { () async throws(KubernetesError) in try await client.create(ConfigMap("a")) }
    #expect(error?.kind == .unavailable && error?.mayHaveHappened == false)
    #expect(error?.message.contains("127.0.0.1:1") == true)
    #expect(waits.durations.count == RetryPolicy.endless.attempts - 1)
  }

  @Test("what no rule allows is refused with the advice to add one, and not repeated")
  func forbidden() async throws {
    try await server.allow([.init(verbs: ["get"], group: "", resources: ["configmaps"])])
    let error = await failure { () async throws(KubernetesError) in try await client.create(ConfigMap("a")) }
    #expect(error?.kind == .forbidden)
    #expect(error?.message.contains("role of this program's service account") == true)
    #expect(try await server.calls().count == 1)
  }

  @Test("the end of the task ends a call that waits for its answer")
  func cancelled() async throws {
    let proxy = try FaultProxy(before: server.process)
    let client = try KubernetesClient(proxy.url + server.path, waits: waits)
    try proxy.inject(.stall(until: "never"))
    let task = Task { await failure { () async throws(KubernetesError) in try await get(client) } }
    while try proxy.log().requests.isEmpty { await Task.yield() }
    task.cancel()
    #expect(await task.value?.kind == .cancelled)
  }
}

@Suite("Tokens that expire")
struct TokenTests {
  let server: KubernetesServer
  let folder: TemporaryDirectory

  init() throws {
    server = try KubernetesServer()
    folder = try TemporaryDirectory("token")
  }

  @Test("a token that the server refuses is read again once, by calls and by watches")
  func renewed() async throws {
    let file = try folder.write("old\n", to: "token")
    let client = try KubernetesClient(server.url, token: .file(file))
    try await server.admit(["old"])
    _ = try await client.create(ConfigMap("a"))
    let watching = Watching<ConfigMap>(client)
    #expect(try await watching.nextWord() == "listed a")
    try await server.opened(1)
    try folder.write("new\n", to: "token")
    try await server.admit(["new"])
    try await server.act(.end)
    try await server.opened(2)
    #expect(try await client.get(ConfigMap.self, name: "a").metadata.name == "a")
    // Refused was the watch alone: the call after it had the new token.
    let refused = try await server.calls().filter { $0.status == 401 }
    #expect(refused.map(\.verb) == ["watch"])
    try folder.write("newer\n", to: "token")
    try await server.admit(["newer"])
    _ = try await client.get(ConfigMap.self, name: "a")
    #expect(try await server.calls().suffix(2).map(\.status) == [401, 200])
    _ = await watching.end()
  }

  @Test("a token that is refused and has not changed is an error at once, which does not repeat it")
  func refused() async throws {
    let file = try folder.write("sesame", to: "token")
    try await server.admit(["other"])
    for token in [ClusterAccess.Token.file(file), .fixed("sesame"), .none] {
      try await server.forget()
      let client = try KubernetesClient(server.url, token: token)
      let error = await failure { () async throws(KubernetesError) in try await client.list(ConfigMap.self) }
      #expect(error?.kind == .unauthorized)
      #expect(error?.message.contains("sesame") == false)
      #expect(try await server.calls().count == 1)
    }
  }

  @Test("a token file that is away for a moment changes nothing, one that never was is an error")
  func absentFile() async throws {
    let file = try folder.write("good", to: "token")
    try await server.admit(["good"])
    let client = try KubernetesClient(server.url, token: .file(file))
    _ = try await client.list(ConfigMap.self)
    try folder.write("", to: "token")
    _ = try await client.list(ConfigMap.self)
    let other = try KubernetesClient(server.url, token: .file("\(folder.path)/nothing"))
    let error = await failure { () async throws(KubernetesError) in try await other.list(ConfigMap.self) }
    #expect(error?.kind == .access)
    #expect(error?.message.contains("\(folder.path)/nothing") == true)
  }
}
