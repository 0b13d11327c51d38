import ArgumentParser
import VolumeModel

/// The program as people see it. `worker` is not among its commands: only a mounter can start one.
struct AlluxioFuse: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "alluxio-fuse",
    abstract: "Serves a directory or bucket as a file system.",
    discussion: "alluxio-mounter starts this program once per volume, with descriptors that it has opened.",
    version: ProgramVersion.text,
    subcommands: [MountCommand.self])
}
