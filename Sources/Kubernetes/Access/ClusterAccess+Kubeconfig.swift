internal import FoundationEssentials
internal import HTTP
internal import LinuxSystem
internal import SystemPackage

extension ClusterAccess {
  /// The access that a kubeconfig file describes, in YAML or JSON: for development, outside of a cluster.
  ///
  /// Understood are tokens, files of tokens and client certificates. Programs that make tokens (`exec`) are not started.
  /// - Parameters:
  ///   - path: of the file; files that it names are relative to its folder.
  ///   - context: nil: the file's current one.
  /// - Throws: `.access` with what is wrong; nothing of the file but names is repeated.
  package static func kubeconfig(_ path: String, context: String? = nil) throws(KubernetesError) -> ClusterAccess {
    let file = KubeconfigFile(path: path)
    let contents = try file.decoded()
    guard let name = context ?? contents.currentContext, !name.isEmpty else {
      throw file.error("it has no current-context: set one with 'kubectl config use-context'")
    }
    guard let context = contents.contexts?.first(where: { $0.name == name })?.value else {
      throw file.error("it has no context '\(name)'")
    }
    guard let cluster = contents.clusters?.first(where: { $0.name == context.cluster })?.value else {
      throw file.error("it has no cluster '\(context.cluster)', which its context '\(name)' names")
    }
    guard let user = contents.users?.first(where: { $0.name == context.user })?.value else {
      throw file.error("it has no user '\(context.user)', which its context '\(name)' names")
    }
    return ClusterAccess(
      server: cluster.server, authorities: try file.authorities(of: cluster), identity: try file.identity(of: user),
      token: try file.token(of: user), namespace: context.namespace ?? "default",
      proxy: cluster.proxy.map { .url($0, except: "") } ?? .none)
  }
}

/// One kubeconfig file, and what it refers to.
private struct KubeconfigFile {
  let path: String

  func error(_ problem: String) -> KubernetesError {
    KubernetesError(.access, "the kubeconfig file \(path) cannot be used: \(problem)")
  }

  func decoded() throws(KubernetesError) -> Kubeconfig {
    let text = try bytes(path)
    let json: [UInt8]
    do throws(YAMLText.Malformed) { json = try YAMLText.json(text) } catch {
      throw self.error("it is neither YAML nor JSON (\(error))")
    }
    do { return try JSONDecoder().decode(Kubeconfig.self, from: Data(json)) } catch {
      throw self.error("it is no kubeconfig: clusters, users and contexts are lists of names with their settings")
    }
  }

  func authorities(of cluster: Kubeconfig.Cluster) throws(KubernetesError) -> HTTPConfiguration.Authorities {
    guard cluster.isInsecure != true else {
      throw error("insecure-skip-tls-verify is not supported: name the cluster's authority in certificate-authority")
    }
    guard cluster.serverName == nil else {
      throw error("tls-server-name is not supported: give the server under a name that its certificate has")
    }
    if let data = try contents(cluster.authorityData, nil, "certificate-authority-data") { return .pem(data) }
    return cluster.authorityFile.map { .file(place($0)) } ?? .system
  }

  func identity(of user: Kubeconfig.User) throws(KubernetesError) -> HTTPConfiguration.Identity? {
    let certificates = try contents(user.certificateData, user.certificateFile, "client-certificate-data")
    let key = try contents(user.keyData, user.keyFile, "client-key-data")
    switch (certificates, key) {
    case (let certificates?, let key?): return HTTPConfiguration.Identity(certificates: certificates, key: key)
    case (nil, nil): return nil
    default: throw error("client-certificate and client-key belong together, and one of them is missing")
    }
  }

  func token(of user: Kubeconfig.User) throws(KubernetesError) -> ClusterAccess.Token {
    // kubectl prefers the file, too.
    if let file = user.tokenFile, !file.isEmpty { return .file(place(file)) }
    if let token = user.token, !token.isEmpty { return .fixed(token) }
    let hasCertificate = user.certificateData != nil || user.certificateFile != nil
    if !hasCertificate, user.exec != nil || user.provider != nil || user.username != nil {
      throw error(
        "its user gets tokens from another program (exec, auth-provider) or has a password, which is not supported: make "
          + "a token with 'kubectl create token' and a user that has it")
    }
    return .none
  }

  /// The bytes of a setting that can be given in the file or beside it.
  private func contents(_ data: String?, _ file: String?, _ name: String) throws(KubernetesError) -> [UInt8]? {
    if let data, !data.isEmpty {
      guard let decoded = Data(base64Encoded: data) else { throw error("\(name) is no base64") }
      return Array(decoded)
    }
    guard let file, !file.isEmpty else { return nil }
    return try bytes(place(file))
  }

  private func place(_ file: String) -> String {
    if file.hasPrefix("/") { return file }
    let folder = path.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
    return folder.isEmpty && !path.hasPrefix("/") ? file : "\(folder)/\(file)"
  }

  private func bytes(_ file: String) throws(KubernetesError) -> [UInt8] {
    do throws(Errno) { return try WholeFile.read(file, limit: 16 << 20) } catch {
      throw self.error("\(file) cannot be read (\(error.description))")
    }
  }
}
