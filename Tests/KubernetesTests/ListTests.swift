import Kubernetes
import ObjectStoreServers
import TestSupport
import Testing

@Suite("Lists in pages")
struct ListTests {
  private func filled(_ count: Int) async throws -> (KubernetesServer, KubernetesClient) {
    let server = try KubernetesServer()
    let client = try KubernetesClient(server.url)
    for number in 0..<count {
      _ = try await client.create(ConfigMap("c\(number)", namespace: number % 2 == 0 ? "a" : "b"))
    }
    try await server.forget()
    return (server, client)
  }

  @Test("a list comes in pages, and is whole")
  func pages() async throws {
    let (server, client) = try await filled(10)
    let list = try await client.list(ConfigMap.self, pageSize: 3)
    #expect(Set(list.items.map(\.metadata.name)) == Set((0..<10).map { "c\($0)" }))
    #expect(try await server.verbs() == Array(repeating: "list", count: 4))
    #expect(try await client.list(ConfigMap.self, ObjectSelection(namespace: "b")).items.count == 5)
  }

  @Test("one page after the other, from the token of the one before")
  func onePage() async throws {
    let (server, client) = try await filled(5)
    let first = try await client.page(ConfigMap.self, limit: 3)
    #expect(first.list.items.count == 3)
    let second = try await client.page(ConfigMap.self, limit: 3, token: first.next)
    #expect(second.list.items.count == 2 && second.next == nil)
    #expect(first.list.resourceVersion == second.list.resourceVersion)
    try await server.compact()
    let error = await failure { () async throws(KubernetesError) in
      try await client.page(ConfigMap.self, limit: 3, token: first.next)
    }
    #expect(error?.kind == .expired)
  }

  @Test("a list that the server forgets half-way is asked for once more, whole")
  func forgotten() async throws {
    let (server, client) = try await filled(10)
    try await server.answer([.init(410, reason: "Expired", target: "continue=")])
    #expect(try await client.list(ConfigMap.self, pageSize: 3).items.count == 10)
    let targets = try await server.calls().map(\.target)
    #expect(targets.count == 3 && targets.last == "/api/v1/configmaps")
  }

  @Test("a server that repeats the token of its pages is not asked for ever")
  func sameToken() async throws {
    let (server, client) = try await filled(0)
    let body = #"{"metadata":{"resourceVersion":"5","continue":"again"},"items":[{"metadata":{"name":"x"}}]}"#
    try await server.answer(Array(repeating: .init(200, target: "configmaps", body: body), count: 9))
    #expect(try await client.list(ConfigMap.self).items.count == 2)
  }

  @Test("an object of another shape is named, and hides no other")
  func unreadable() async throws {
    let (server, client) = try await filled(0)
    let body = #"""
      {"metadata":{"resourceVersion":"5"},"items":[
        {"metadata":{"name":"good"}},{"metadata":{"name":"bad"},"data":[1]},{"metadata":{"name":"fine"},"more":{}}]}
      """#
    try await server.answer([.init(200, body: body)])
    let list = try await client.list(ConfigMap.self)
    #expect(list.items.map(\.metadata.name) == ["good", "fine"] && list.unreadable == ["bad"])
  }

  @Test("an empty list", arguments: ["[]", "null"])
  func empty(items: String) async throws {
    let (server, client) = try await filled(0)
    try await server.answer([.init(200, body: #"{"metadata":{"resourceVersion":"5"},"items":\#(items)}"#)])
    let list = try await client.list(ConfigMap.self)
    #expect(list.items.isEmpty && list.resourceVersion == "5")
  }
}
