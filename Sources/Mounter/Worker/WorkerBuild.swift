internal import VolumeModel

/// What a worker's program says of itself before it is given a mount: `alluxio-fuse worker --check` prints it as one line.
package struct WorkerBuild: Sendable, Hashable {
  /// For the log.
  package var version: String
  /// Of `mounter.proto`.
  var protocolVersion: UInt32
  /// Of the shared state that it writes, and the oldest that it reads.
  var stateVersion: UInt32
  var oldestState: UInt32

  /// The running program.
  package static var own: WorkerBuild {
    WorkerBuild(
      version: ProgramVersion.text, protocolVersion: ProtocolVersion.current, stateVersion: SharedStateLayout.version,
      oldestState: SharedStateLayout.oldestReadableVersion)
  }

  package var line: String {
    "alluxio-fuse worker \(version) protocol \(protocolVersion) state \(stateVersion) reads \(oldestState)"
  }

  /// Nil for anything else. What follows is of a newer version, and ignored.
  init?(line: some StringProtocol) {
    let words = line.split(separator: " ")
    guard words.count >= 9, words[0] == "alluxio-fuse", words[1] == "worker", words[3] == "protocol",
      words[5] == "state", words[7] == "reads", let spoken = UInt32(words[4]), let state = UInt32(words[6]),
      let oldest = UInt32(words[8])
    else { return nil }
    (version, protocolVersion, stateVersion, oldestState) = (String(words[2]), spoken, state, oldest)
  }

  init(version: String, protocolVersion: UInt32, stateVersion: UInt32, oldestState: UInt32) {
    self.version = version
    self.protocolVersion = protocolVersion
    self.stateVersion = stateVersion
    self.oldestState = oldestState
  }

  /// Whether it reads a state with these fields of its header.
  func reads(version: UInt32, oldestReader: UInt32) -> Bool { oldestReader <= stateVersion && version >= oldestState }
}
