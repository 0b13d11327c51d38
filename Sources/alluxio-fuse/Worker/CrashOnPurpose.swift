#if FAULT_INJECTION
  import Glibc
  import LinuxSystem
  import UnderFileSystem
  import VolumeFileSystem

  /// Lets a worker of the tests kill itself at one crash point. The next worker takes the next point, so that all have their
  /// turn. Not in release builds.
  enum CrashOnPurpose {
    /// A file that gets one line for each death, and the number of deaths after which workers live.
    private static let (log, limit) = ("ALLUXIO_CRASH_LOG", "ALLUXIO_CRASH_LIMIT")

    /// One in so many arrivals at the point is the last.
    private static let odds = 20

    /// Does nothing where the environment says nothing.
    static func arm(_ fileSystem: VolumeFileSystem) {
      guard let path = ProcessEnvironment.value(of: log),
        let limit = ProcessEnvironment.value(of: limit).flatMap(Int.init),
        let before = try? WholeFile.text(path).count(where: { $0 == "\n" }), before < limit
      else { return }
      let point = CrashPoint.allCases[before % CrashPoint.allCases.count]
      fileSystem.crashes.set { reached in
        guard reached == point, Int.random(in: 0..<odds) == 0,
          let file = try? Descriptor.open(path, O_WRONLY | O_APPEND)
        else { return }
        // One write, so that two threads which arrive at once are two lines.
        try? file.writeAll(Array("\(point.rawValue)\n".utf8))
        OwnProcess.kill()
      }
    }
  }
#endif
