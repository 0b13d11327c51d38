internal import HTTP
internal import LinuxSystem
internal import SystemPackage

extension ClusterAccess {
  /// Where the kubelet puts token, authority and namespace of a pod's service account.
  package static let serviceAccountFolder = "/var/run/secrets/kubernetes.io/serviceaccount"

  /// The access that every pod with a service account has.
  /// - Parameters:
  ///   - variable: of the pod's environment: `KUBERNETES_SERVICE_HOST` and `KUBERNETES_SERVICE_PORT` are asked for.
  ///   - folder: with the files `token`, `ca.crt` and `namespace`.
  /// - Throws: `.access` outside of a pod, and where the service account is not mounted.
  package static func pod(
    variable: (String) -> String?, folder: String = serviceAccountFolder
  ) throws(KubernetesError) -> ClusterAccess {
    guard let host = variable("KUBERNETES_SERVICE_HOST"), !host.isEmpty,
      let port = variable("KUBERNETES_SERVICE_PORT"), UInt16(port) != nil
    else {
      throw KubernetesError(
        .access,
        "this is no pod: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set; outside of a cluster name a "
          + "kubeconfig file")
    }
    for name in ["token", "ca.crt"] { _ = try text("\(folder)/\(name)") }
    let namespace = try text("\(folder)/namespace").filter { !$0.isWhitespace }
    return ClusterAccess(
      server: "https://\(host.contains(":") ? "[\(host)]" : host):\(port)", authorities: .file("\(folder)/ca.crt"),
      token: .file("\(folder)/token"), namespace: namespace.isEmpty ? "default" : namespace)
  }

  private static func text(_ path: String) throws(KubernetesError) -> String {
    do throws(Errno) {
      let text = try WholeFile.text(path, limit: 1 << 20)
      guard !text.isEmpty else { throw .noData }
      return text
    } catch {
      throw KubernetesError(
        .access,
        "\(path) cannot be read (\(error.description)): the pod needs a service account's token "
          + "there, by automountServiceAccountToken or a projected volume")
    }
  }
}
