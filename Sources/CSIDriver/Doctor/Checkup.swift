internal import FoundationEssentials
internal import LinuxSystem
package import VolumeModel

/// Everything that is looked at on a node, for `alluxio-csi doctor`.
package struct Checkup: Sendable {
  let checks: [any NodeCheck]

  /// Of one check.
  private static let patience = Duration.seconds(20)

  package init(_ checks: [any NodeCheck]) { self.checks = checks }

  /// What a node needs for all its volumes.
  /// - Parameters:
  ///   - socket: the plugin's.
  ///   - pageStore: the folder.
  package init(paths: NodePaths, socket: String, mounterSocket: String, driverName: String, pageStore: String) {
    let isThere = (try? Descriptor.reach(paths.stateDirectory)) != nil
    checks = [
      FuseCheck(folder: isThere ? paths.stateDirectory : "/tmp"), PropagationCheck(paths), CgroupCheck(),
      PluginCheck(socket: socket, driverName: driverName),
      RegistrationCheck(kubeletDirectory: paths.kubeletDirectory, driverName: driverName),
      MounterCheck(socket: mounterSocket), PageStoreCheck(folder: pageStore),
    ]
  }

  /// The same, and what one volume needs.
  /// - Parameter secrets: tried with an object store; without any, the node's own credentials.
  package func adding(_ volume: VolumeContext, secrets: [String: String]) throws(CSIError) -> Checkup {
    if volume.underFileSystem.scheme == .file {
      return Checkup(checks + [DirectoryCheck(path: volume.underFileSystem.path)])
    }
    let place = try volume.place(secrets: secrets)
    let store = TriedStore(place)
    return Checkup(checks + [BucketCheck(store), ClockCheck(store)])
  }

  /// One after the other, so that each line follows from those before.
  package func run() async -> CheckupReport {
    var findings: [Finding] = []
    for check in checks { findings += await check.findings(by: .after(Self.patience)) }
    return CheckupReport(findings: findings)
  }
}

/// What was found, for people and for `--json`.
package struct CheckupReport: Codable, Sendable, Hashable {
  package var findings: [Finding]
  /// The worst of all.
  package var state: Finding.State

  package init(findings: [Finding]) {
    self.findings = findings
    let states = findings.map(\.state)
    state = states.contains(.failure) ? .failure : states.contains(.warning) ? .warning : .ok
  }

  /// One object, keys in order.
  package func json() -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    // Texts and lists of texts can be encoded.
    return (try? encoder.encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
  }
}

extension CheckupReport: CustomStringConvertible {
  /// A line for each finding.
  package var description: String { findings.map(\.description).joined(separator: "\n") }
}
