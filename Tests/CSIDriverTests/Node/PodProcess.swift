import ApplicationLoad
import LinuxSystem
import SystemPackage
import TestSupport

/// A process that sees a target's volume as a pod's container does, and does what it is told there.
final class PodProcess: Sendable {
  /// Where the volume is in it.
  let data: String
  private let shell: TalkingProcess
  var pid: Int32 { shell.process.pid }

  /// - Parameter name: of the folder in the plugin's for it.
  init(
    _ plugin: PluginProcess, _ name: String, of target: String, _ propagation: PodNamespace.Propagation
  ) throws {
    data = plugin.folder.appending(name)
    let shell = "echo ready; while read -r line; do (eval \"$line\") 2>&1; echo; echo .; done"
    self.shell = try TalkingProcess(
      PodNamespace.unshare,
      PodNamespace.arguments(
        for: ["/bin/sh", "-c", shell, "sh", data], showing: plugin.target(target), at: data,
        hiding: plugin.folder.appending("kubelet"), propagation), environment: ["LC_ALL=C", "PATH=/usr/bin:/bin"])
    guard try self.shell.line(within: Waiting.limit) == "ready" else { throw Errno.noChildProcess }
  }

  /// Runs a line of shell, for which `$1` is the volume's folder.
  /// - Returns: the lines that it printed, errors included.
  func run(_ command: String) throws -> String {
    try shell.say(command)
    var lines: [String] = []
    while let line = try shell.line(within: Waiting.limit) {
      if line == "." { return lines.joined(separator: "\n") }
      if !line.isEmpty { lines.append(line) }
    }
    throw Errno.noChildProcess
  }

  /// The mounts that it has of the volume, the one that it sees last.
  func mounts() throws -> [MountEntry] {
    let table = try MountTable.read(pid: pid)
    let top = table.visible(at: data)
    return table.all(at: data).filter { $0.id != top?.id } + [top].compactMap { $0 }
  }

  func finish() throws {
    shell.closeInput()
    _ = try Waiting.untilEnded(shell.process)
  }
}
