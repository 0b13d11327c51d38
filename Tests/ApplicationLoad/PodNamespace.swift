/// A mount namespace with what a container runtime makes of a published target for a pod.
package enum PodNamespace {
  /// How a pod asks for mounts of the node, in its `volumeMounts`.
  package enum Propagation: String, Sendable {
    case hostToContainer = "slave"
    case none = "private"
  }

  package static let unshare = "/usr/bin/unshare"

  /// Arguments for `unshare`: `program` is run in a namespace that has a copy of what is mounted at `target` at `data`, which
  /// is made, and nothing of the kubelet's folder.
  package static func arguments(
    for program: [String], showing target: String, at data: String, hiding kubelet: String, _ propagation: Propagation
  ) -> [String] {
    let script = """
      mkdir -p "$2"; mount --bind "$1" "$2"; mount --make-\(propagation.rawValue) "$2"; umount -l "$3"; shift 3; exec "$@"
      """
    return ["--mount", "--propagation", "slave", "/bin/sh", "-ec", script, "sh", target, data, kubelet] + program
  }
}
