import Glibc
import LinuxSystem
import Mounter
import Synchronization
import SystemPackage
import TestSupport
import Testing
import VolumeModel

/// Applications that go on while their worker is killed and started again on the same connection.
@Suite("A worker that is killed and started again", .serialized)
struct RestartTests {
  /// An application's descriptor, used on threads that may block.
  private struct Application: Sendable {
    let file: SharedDescriptor

    init(_ path: String, _ flags: CInt) async throws {
      file = try await OwnThread.run { SharedDescriptor(try Descriptor.open(path, flags, mode: 0o644)) }
    }

    func write(_ text: String, at offset: off_t) async throws {
      let number = file.rawValue
      try await OwnThread.run {
        let bytes = Array(text.utf8)
        guard try Syscall.retrying({ pwrite(number, bytes, bytes.count, offset) }) == bytes.count else {
          throw Errno.ioError
        }
      }
    }

    func read(_ count: Int = 100, at offset: off_t = 0) async throws -> String {
      let number = file.rawValue
      return try await OwnThread.run {
        // Not from the kernel's pages: the worker is to be asked.
        fsync(number)
        posix_fadvise(number, 0, 0, POSIX_FADV_DONTNEED)
        var bytes = [UInt8](repeating: 0, count: count)
        let got = try Syscall.retrying { pread(number, &bytes, count, offset) }
        return String(decoding: bytes.prefix(got), as: UTF8.self)
      }
    }

    func synchronize() async throws {
      let number = file.rawValue
      try await OwnThread.run { _ = try Syscall.retrying { fsync(number) } }
    }
  }

  /// Kills the worker, waits for its end and has the next one started.
  private static func replaceWorker(
    _ mounter: RunningMounter, _ request: MountRequest, _ status: WorkerStatus
  ) async throws -> WorkerStatus {
    let worker = try PidFD(pid: try #require(status.pid))
    try worker.signal(SIGKILL)
    _ = try await OwnThread.run { try worker.hasEnded(within: Waiting.limit) }
    return try await restarted(mounter, request, after: status)
  }

  /// The mounter may hear of the death only behind the call: then it still shows the old worker.
  private static func restarted(
    _ mounter: RunningMounter, _ request: MountRequest, after status: WorkerStatus
  ) async throws -> WorkerStatus {
    while true {
      let next = try await mounter.mount(request)
      if next.pid != status.pid { return next }
    }
  }

  @Test("open files are read and written on, on the same connection, and new ones are opened", .requiresFuse)
  func openFiles() async throws {
    try await RunningMounter.use { mounter in
      let request = try mounter.request("data")
      var status = try await mounter.mount(request)
      let connection = status.connection
      let reader = try await Application("\(request.mountPoint)/file", O_RDONLY)
      let writer = try await Application("\(request.mountPoint)/new", O_RDWR | O_CREAT | O_EXCL)
      let log = try await Application("\(request.mountPoint)/log", O_WRONLY | O_CREAT | O_APPEND)
      try await writer.write("first", at: 0)
      for round in 1...3 as ClosedRange<UInt32> {
        status = try await Self.replaceWorker(mounter, request, status)
        #expect(status.state == .ready && status.connection == connection && status.restarts == round)
        #expect(try await reader.read() == "content of data\n")
        #expect(try await writer.read().hasPrefix("first"))
        try await writer.write("\(round)", at: 4 + off_t(round))
        try await log.write("line \(round)\n", at: 0)
        try await writer.synchronize()
        let other = try await Application("\(request.mountPoint)/round\(round)", O_RDWR | O_CREAT | O_EXCL)
        try await other.write("x", at: 0)
      }
      let beneath = "\(mounter.files)/data"
      #expect(try WholeFile.text("\(beneath)/new") == "first123")
      #expect(try WholeFile.text("\(beneath)/log") == "line 1\nline 2\nline 3\n")
      #expect(try DirectoryNames.list(beneath).sorted() == ["file", "log", "new", "round1", "round2", "round3"])
      withExtendedLifetime((reader, writer, log)) {}
    }
  }

  @Test("who asks while no worker lives gets the answer from the next one", .requiresFuse)
  func askedMeanwhile() async throws {
    try await RunningMounter.use { mounter in
      let request = try mounter.request("data")
      let status = try await mounter.mount(request)
      let worker = try PidFD(pid: try #require(status.pid))
      // Stopped, it has read nothing of what comes now, and something when it is killed in the middle.
      try worker.signal(SIGSTOP)
      async let content = mounter.read(request)
      let connection = FuseConnection(number: status.connection)
      try await OwnThread.run {
        let limit = Deadline.after(.seconds(20))
        while try connection.waiting() == 0 {
          guard !limit.hasPassed else { throw Errno.timedOut }
          sched_yield()
        }
      }
      try worker.signal(SIGKILL)
      _ = try await OwnThread.run { try worker.hasEnded(within: Waiting.limit) }
      let next = try await Self.restarted(mounter, request, after: status)
      #expect(next.restarts == 1)
      #expect(try await content == "content of data\n")
    }
  }

  /// What the writer and the one who kills know of each other.
  private final class Load: Sendable {
    let stop = Atomic(false)
    /// Written so far.
    let blocks = Atomic(0)
  }

  @Test("a writer notices none of ten kills, and no byte is lost, doubled or wrong", .requiresFuse)
  func underLoad() async throws {
    try await RunningMounter.use { mounter in
      let request = try mounter.request("data")
      var status = try await mounter.mount(request)
      let path = "\(request.mountPoint)/load"
      let load = Load()
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
          try await OwnThread.run {
            let file = try Descriptor.open(path, O_RDWR | O_CREAT | O_EXCL, mode: 0o600)
            let number = file.rawValue
            var written = 0
            while !load.stop.load(ordering: .relaxed) {
              let block = [UInt8](repeating: UInt8(truncatingIfNeeded: written), count: 4096)
              let count = try Syscall.retrying { pwrite(number, block, 4096, off_t(written % 4096) * 4096) }
              guard count == 4096 else { throw Errno.ioError }
              written += 1
              load.blocks.store(written, ordering: .relaxed)
            }
          }
        }
        defer { load.stop.store(true, ordering: .relaxed) }
        for _ in 0..<10 {
          // The writer has got on since the last kill.
          let before = load.blocks.load(ordering: .relaxed)
          let limit = Deadline.after(.seconds(20))
          while load.blocks.load(ordering: .relaxed) == before, !limit.hasPassed { await Task.yield() }
          #expect(load.blocks.load(ordering: .relaxed) > before)
          status = try await Self.replaceWorker(mounter, request, status)
        }
        load.stop.store(true, ordering: .relaxed)
        try await group.waitForAll()
      }
      #expect(status.restarts == 10)
      let content = try WholeFile.read("\(mounter.files)/data/load")
      let written = load.blocks.load(ordering: .relaxed)
      #expect(content.count == min(written, 4096) * 4096)
      for block in 0..<min(written, 4096) {
        let last = block + (written - 1 - block) / 4096 * 4096
        #expect(content[block * 4096] == UInt8(truncatingIfNeeded: last))
        #expect(content[block * 4096 + 4095] == UInt8(truncatingIfNeeded: last))
      }
    }
  }
}
