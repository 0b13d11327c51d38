#if FAULT_INJECTION
  import Glibc
  import LinuxSystem
  import Logging
  import SystemPackage

  /// Lets a worker of the tests say what it can still do. Not in release builds.
  enum ConfinementProbe {
    /// Paths to be opened, with colons between them.
    private static let paths = "ALLUXIO_PROBE_PATHS"

    /// One line in the log for each attempt. Does nothing where the environment says nothing.
    static func run(_ log: Logger) {
      guard let text = ProcessEnvironment.value(of: paths) else { return }
      for path in text.split(separator: ":").map(String.init) {
        tell(log, "open \(path)") { () throws(Errno) in _ = try Descriptor.open(path, O_RDONLY) }
      }
      tell(log, "listen") { () throws(Errno) in
        _ = try SeqpacketListener(path: "/tmp/probe-\(ProcessUser.pid)", backlog: 1)
      }
      tell(log, "identity") { () throws(Errno) in try ProcessIdentity.become(uid: 1, gid: 1) }
      tell(log, "program") { () throws(Errno) in
        _ = try Spawn(executable: "/bin/true", arguments: ["true"]).start().wait()
      }
    }

    private static func tell(_ log: Logger, _ what: String, _ attempt: () throws(Errno) -> Void) {
      do throws(Errno) {
        try attempt()
        log.notice("probe \(what): possible")
      } catch {
        log.notice("probe \(what): \(error.rawValue)")
      }
    }
  }
#endif
