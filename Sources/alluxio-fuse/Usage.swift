import Glibc
import LinuxSystem
import VolumeModel

/// What the program says of itself. `worker` is not among its commands: only a mounter can start one.
enum Usage {
  static let text = """
    Serves a directory or a bucket of an object store as a file system.

    Usage: alluxio-fuse mount SOURCE MOUNTPOINT [-o OPTION,…]… [--read-only] [--log-level LEVEL] [--log-format FORMAT]
           alluxio-fuse --version | --help

    mount shows SOURCE, file:///directory, s3://bucket/prefix or oss://bucket/prefix, at MOUNTPOINT, an empty directory,
    and serves it until Ctrl-C. A bucket's credentials come from the environment (AWS_ACCESS_KEY_ID and
    AWS_SECRET_ACCESS_KEY, with sudo -E; OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET), ~/.aws, a web identity token or the
    machine's role; without any it is read anonymously. On SIGUSR1 and at the end a line says what was read.

      -o, --options OPTION,…
                            Options of a volume: attrTimeout=SECONDS, entryTimeout=SECONDS, readAhead=BYTES,
                            passthrough=false, uid=, gid=, umask=, ro. Those that have no meaning here, as allow_other, are taken and do nothing.
                            Of buckets besides: endpoint=URL, region=NAME, path-style, cache=FOLDER (pages are kept there
                            from one mount to the next), cache-size=BYTES (10Gi), page-size=BYTES (1Mi),
                            cache-passthrough (the kernel reads whole cached files), and the names that volumes have, as
                            alluxio.underfs.s3.endpoint.
      --read-only           Refuse every change.
      --log-level LEVEL     trace, debug, info, notice (the default), warning, error or critical.
      --log-format FORMAT   text (the default) or json.

    alluxio-mounter starts this program once per volume, with descriptors that it has opened.
    """

  /// Exit status of a command line that is not understood, as sysexits.h has it.
  static let misused: Int32 = 64

  /// For a command line without a command. - Returns: the exit status.
  static func run(_ arguments: [String]) -> Int32 {
    switch arguments {
    case ["--version"]: print(ProgramVersion.text)
    case ["--help"], ["-h"], ["help"]: print(text)
    case []: return refuse("a command is missing: mount")
    default: return refuse("unknown argument '\(arguments[0])'")
    }
    return 0
  }

  /// Says on standard error what is wrong and where help is. - Returns: the exit status.
  static func refuse(_ reason: String) -> Int32 {
    complain("\(reason); see alluxio-fuse --help")
    return misused
  }

  /// One line on standard error.
  static func complain(_ sentence: String) {
    let line = Array("alluxio-fuse: \(sentence)\n".utf8)
    let standardError = Descriptor(adopting: STDERR_FILENO)
    try? standardError.writeAll(line)
    _ = standardError.release()
  }
}
