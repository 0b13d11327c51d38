import CSIDriver
import Glibc
import LinuxSystem
import Logging

/// Writes to a registry and kills itself in the middle, for the crash tests.
///
///     registry-writer DIRECTORY STEP OPERATION ID     kill -9 of itself at the step of the operation's first write
///     registry-writer DIRECTORY storm PREFIX COUNT    inserts PREFIX0, PREFIX1, … until it is killed or done
@main
struct RegistryWriter {
  static func main() async throws {
    let arguments = CommandLine.arguments
    let (path, step) = (arguments[1], arguments[2])
    let registry = try DirectoryVolumeRegistry(path: path, logger: Logger(label: "registry-writer")) { reached in
      if reached.rawValue == step { kill(getpid(), SIGKILL) }
    }
    if step == "storm" {
      for index in 0..<(Int(arguments[4]) ?? 0) {
        try await registry.insert(record("\(arguments[3])\(index)", bytes: 1))
      }
      return
    }
    switch arguments[3] {
    case "insert": try await registry.insert(record(arguments[4], bytes: 1))
    case "update": try await registry.update(record(arguments[4], bytes: 2))
    case "delete": _ = try await registry.beginDeletion(id: arguments[4])
    case "publish":
      let condition = VolumeCondition(abnormal: false, message: "usable")
      try await registry.publish(NodePublication(nodeID: "node", condition: condition), of: arguments[4])
    default: exit(64)
    }
  }

  private static func record(_ id: String, bytes: Int64) -> VolumeRecord {
    VolumeRecord(
      id: id, name: id, state: .ready, capacityBytes: bytes, parameters: ["path": "file:///data"],
      context: ["path": "file:///data"])
  }
}
