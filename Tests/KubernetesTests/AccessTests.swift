import FoundationEssentials
import HTTP
import Kubernetes
import LinuxSystem
import ObjectStoreServers
import TestSupport
import Testing

@Suite("Where the API server is, and as whom it is asked")
struct AccessTests {
  let folder: TemporaryDirectory

  init() throws { folder = try TemporaryDirectory("access") }

  private func encoded(_ path: String) throws -> String { Data(try WholeFile.read(path)).base64EncodedString() }

  private func refusal(_ text: String, context: String? = nil) throws -> String {
    let path = try folder.write(text, to: "config")
    do throws(KubernetesError) {
      _ = try ClusterAccess.kubeconfig(path, context: context)
      return "nothing was refused"
    } catch {
      #expect(error.kind == .access)
      return error.message
    }
  }

  private let cluster = "clusters: [{name: c, cluster: {server: 'https://h:6443/'}}]\n"
  private let context = "contexts: [{name: x, context: {cluster: c, user: u}}]\ncurrent-context: x\n"

  @Test("a pod finds server, token, authority and namespace where the kubelet put them")
  func pod() async throws {
    let certificate = try ServerCertificate()
    let server = try KubernetesServer(certificate)
    try folder.write("sesame", to: "token")
    try folder.write(try WholeFile.text(certificate.authorityPath), to: "ca.crt")
    try folder.write("place\n", to: "namespace")
    let variables = ["KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": "\(server.process.port)"]
    let access = try ClusterAccess.pod(variable: { variables[$0] }, folder: folder.path)
    #expect(access.namespace == "place")
    #expect(access.server == "https://127.0.0.1:\(server.process.port)")
    try await server.admit(["sesame"])
    var below = access
    below.server += server.path
    let client = try KubernetesClient(below)
    _ = try await client.create(ConfigMap("a"))
    #expect(try await server.calls().map(\.namespace) == ["place"])
  }

  @Test("an address of IPv6 stands in brackets")
  func brackets() throws {
    for name in ["token", "ca.crt", "namespace"] { try folder.write("x", to: name) }
    let access = try ClusterAccess.pod(
      variable: { $0 == "KUBERNETES_SERVICE_HOST" ? "fd00::1" : "443" }, folder: folder.path)
    #expect(access.server == "https://[fd00::1]:443")
  }

  @Test("outside of a pod, and in one without a service account")
  func noPod() throws {
    for (variables, expected) in [
      ([:], "this is no pod"),
      (["KUBERNETES_SERVICE_HOST": "h", "KUBERNETES_SERVICE_PORT": "443"], "automountServiceAccountToken"),
    ] as [([String: String], String)] {
      let error = #expect(throws: KubernetesError.self) {
        try ClusterAccess.pod(variable: { variables[$0] }, folder: folder.path)
      }
      #expect(error?.kind == .access && error?.message.contains(expected) == true)
    }
  }

  @Test("a kubeconfig in YAML as kind writes it: authority and client certificate in the file")
  func certificates() async throws {
    let certificate = try ServerCertificate()
    let server = try KubernetesServer(certificate, asksClients: true)
    let path = try folder.write(
      """
      # written by hand
      apiVersion: v1
      kind: Config
      preferences: {}
      clusters:
      - cluster:
          certificate-authority-data: \(try encoded(certificate.authorityPath))
          server: \(server.url)
        name: kind-kind
      contexts:
      - context: {cluster: kind-kind, user: kind-kind, namespace: "place"}
        name: kind-kind
      current-context: kind-kind
      users:
      - name: kind-kind
        user:
          client-certificate-data: \(try encoded(certificate.certificatePath))
          client-key-data: \(try encoded(certificate.keyPath))

      """, to: "config")
    let access = try ClusterAccess.kubeconfig(path)
    #expect(access.namespace == "place")
    _ = try await KubernetesClient(access).create(ConfigMap("a"))
    var nameless = access
    nameless.identity = nil
    let client = try KubernetesClient(nameless, policy: .endless(attempts: 1))
    let error = await failure { () async throws(KubernetesError) in try await client.list(ConfigMap.self) }
    #expect(error?.kind == .unavailable)
  }

  @Test("a kubeconfig in JSON with files beside it, and a context that is not the current one")
  func files() async throws {
    let certificate = try ServerCertificate()
    let server = try KubernetesServer(certificate)
    try await server.admit(["sesame"])
    try folder.write(try WholeFile.text(certificate.authorityPath), to: "ca.pem")
    try folder.write("sesame\n", to: "token")
    let path = try folder.write(
      """
      {"clusters":[{"name":"c","cluster":{"server":"\(server.url)","certificate-authority":"ca.pem"}}],
       "contexts":[{"name":"x","context":{"cluster":"c","user":"u"}}],
       "users":[{"name":"u","user":{"tokenFile":"token","token":"other"}}]}
      """, to: "config")
    let access = try ClusterAccess.kubeconfig(path, context: "x")
    #expect(access.namespace == "default")
    #expect(try await KubernetesClient(access).list(ConfigMap.self).items.isEmpty)
  }

  @Test("a server with a path, and a proxy")
  func path() throws {
    let text =
      "clusters: [{name: c, cluster: {server: 'https://h/k8s/c1/', proxy-url: 'http://p:1'}}]\n\(context)"
      + "users: [{name: u, user: {token: t}}]\n"
    let access = try ClusterAccess.kubeconfig(try folder.write(text, to: "config"))
    #expect(access.server == "https://h/k8s/c1" && access.proxy == .url("http://p:1", except: ""))
  }

  @Test(
    "what is missing or cannot be done is said, and how it can",
    arguments: [
      ("users: [{name: u, user: {exec: {command: aws}}}]", "kubectl create token"),
      ("users: [{name: u, user: {username: a, password: b}}]", "kubectl create token"),
      ("users: [{name: u, user: {client-key-data: YQ==}}]", "belong together"),
      ("users: [{name: u, user: {client-key-data: '!', client-certificate-data: YQ==}}]", "is no base64"),
      ("users: [{name: u, user: {client-key: nothing, client-certificate-data: YQ==}}]", "nothing cannot be read"),
      ("users: []", "no user 'u'"), ("users: {}", "it is no kubeconfig"),
    ])
  func refused(users: String, expected: String) throws {
    #expect(try refusal(cluster + context + users + "\n").contains(expected))
  }

  @Test("a kubeconfig without the context, the cluster or the safety that is needed")
  func incomplete() throws {
    let users = "users: [{name: u, user: {token: t}}]\n"
    #expect(try refusal(cluster + users).contains("no current-context"))
    #expect(try refusal(cluster + context + users, context: "y").contains("no context 'y'"))
    #expect(try refusal(context + users).contains("no cluster 'c'"))
    let insecure = "clusters: [{name: c, cluster: {server: 'https://h', insecure-skip-tls-verify: true}}]\n"
    #expect(try refusal(insecure + context + users).contains("certificate-authority"))
    let renamed = "clusters: [{name: c, cluster: {server: 'https://h', tls-server-name: other}}]\n"
    #expect(try refusal(renamed + context + users).contains("tls-server-name"))
  }

  @Test("a file that is no YAML: the error names the line and repeats nothing of it")
  func malformed() throws {
    let message = try refusal("users:\n- token: \"sesame\n  x: [\n")
    #expect(message.contains("neither YAML nor JSON (line "))
    #expect(!message.contains("sesame"))
    for text in ["a: &x [*x]\n", "{\"a\": 1", "a: 1\na: 2\n"] {
      #expect(try refusal(text).contains("neither YAML nor JSON"))
    }
    #expect(try refusal("").contains("kubeconfig"))
    #expect(throws: KubernetesError.self) { try ClusterAccess.kubeconfig("/nowhere/config") }
  }
}
