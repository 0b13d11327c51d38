/// Every path of the driver on a node, derived from the state folder. Nothing else joins paths.
package struct NodePaths: Sendable, Hashable {
  /// `--state-dir`: survives reboots of the plugin's container; absolute, without a trailing slash.
  package let stateDirectory: String
  /// `--kubelet-dir`: target paths lie beneath it; absolute, without a trailing slash.
  package let kubeletDirectory: String

  package init(stateDirectory: String, kubeletDirectory: String) {
    self.stateDirectory = stateDirectory
    self.kubeletDirectory = kubeletDirectory
  }

  /// `--kubelet-dir` when none is given.
  package static let usualKubeletDirectory = "/var/lib/kubelet"
  /// `--state-dir` when none is given.
  package static func stateDirectory(beneath kubeletDirectory: String) -> String {
    "\(kubeletDirectory)/plugins/csi-alluxio-plugin"
  }

  /// One folder per worker key.
  package var volumes: String { "\(stateDirectory)/volumes" }
  /// What the node plugin remembers of `key`: the mount point and the record.
  package func worker(_ key: WorkerKey) -> String { "\(volumes)/\(key.name)" }
  /// The FUSE mount point, source of the bind mounts of `key`.
  package func mountPoint(_ key: WorkerKey) -> String { "\(worker(key))/mount" }
  /// One record (JSON) per published target, named by a hash of the target path: a target is published at most once.
  package var targets: String { "\(stateDirectory)/targets" }
  package func targetRecord(_ target: TargetPath) -> String {
    "\(targets)/\(Digest.sha256Hex(target.path).prefix(32)).json"
  }
  /// The mounter's folder (0700): its socket, lock and log.
  package var mounter: String { "\(stateDirectory)/mounter" }
  /// `--mounter-socket` when none is given. Unix socket paths take 107 bytes.
  package var mounterSocket: String { "\(mounter)/mounter.sock" }
  /// `--page-store` when none is given.
  package var pageStore: String { "\(stateDirectory)/pages" }
  /// `--registry` when none is given.
  package var registry: String { "\(stateDirectory)/registry" }

  /// The records' folder without its `targets`: `<hash>.json` names a target's record, anything else there is foreign.
  package static func isRecordName(_ name: String) -> Bool {
    let bytes = Array(name.utf8)
    return bytes.count == 37 && name.hasSuffix(".json")
      && bytes.prefix(32).allSatisfy {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0)
      }
  }
}
