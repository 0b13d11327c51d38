import Glibc
import LinuxSystem
import Mounter
import SystemPackage
import TestSupport
import Testing
import VolumeModel

/// Real mounts, real workers, real sockets.
@Suite("A mounter with real workers", .serialized)
struct RealMountTests {
  @Test("a volume is mounted, read, unmounted, and nothing is left", .requiresFuse)
  func roundTrip() async throws {
    try await RunningMounter.use { mounter in
      let request = try mounter.request("data")
      // Asks by a connection of its own, which the mounter may notice late.
      let process = try mounter.process().pid
      // The client's connection is made by its first call and stays.
      #expect(try await mounter.client.list(by: RunningMounter.patience) == [])
      let before = try LeakSnapshot(ofPid: process, mountsBeneath: request.mountPoint)
      let status = try await mounter.mount(request)
      #expect(status.state == .ready)
      #expect(status.request == request)
      #expect(try await mounter.read(request) == "content of data\n")
      let entry = try #require(try MountTable.read().visible(at: request.mountPoint))
      #expect(entry.type == "fuse.alluxio-fuse")
      #expect(entry.source == "alluxio-fuse")
      #expect(entry.minor == status.connection)
      #expect(entry.flags.isSuperset(of: [.noSetUserID, .noDevices]))
      let worker = try PidFD(pid: try #require(status.pid))
      try await mounter.unmount(request)
      #expect(try worker.hasEnded())
      #expect(try !mounter.isMounted(request))
      #expect(access(request.mountPoint, F_OK) != 0)
      #expect(try await mounter.client.list(by: RunningMounter.patience) == [])
      let leaks = try LeakSnapshot(ofPid: process, mountsBeneath: request.mountPoint).leaks(since: before)
      #expect(leaks == [])
    }
  }

  @Test("a repeat finds the volume as it is, and another request is refused", .requiresFuse)
  func repeated() async throws {
    try await RunningMounter.use { mounter in
      let request = try mounter.request("data")
      let first = try await mounter.mount(request)
      #expect(try await mounter.mount(request) == first)
      var other = request
      other.options.uid = 7
      let error = await #expect(throws: MounterError.self) { try await mounter.mount(other) }
      #expect(error?.description.contains("uid") == true)
    }
  }

  @Test("the read-ahead of the request is the kernel's", .requiresFuse)
  func readAhead() async throws {
    try await RunningMounter.use { mounter in
      var options = WorkerOptions()
      options.readAheadBytes = 3 << 20
      let status = try await mounter.mount(try mounter.request("data", options: options))
      #expect(try WholeFile.text("/sys/class/bdi/0:\(status.connection)/read_ahead_kb") == "3072\n")
    }
  }

  @Test("the folder under the mount cannot be written while the mount is away", .requiresFuse)
  func immutable() async throws {
    try await RunningMounter.use { mounter in
      let request = try mounter.request("data")
      _ = try await mounter.mount(request)
      try Mount.unmount(request.mountPoint, flags: [.detach, .noFollow])
      #expect(mkdir("\(request.mountPoint)/x", 0o700) == -1)
      try await mounter.unmount(request)
      #expect(access(request.mountPoint, F_OK) != 0)
    }
  }

  @Test("a directory that may not be served is refused, and nothing is left", .requiresFuse)
  func refusals() async throws {
    try await RunningMounter.use { mounter in
      try mounter.folder.makeDirectory("outside")
      try mounter.folder.write("x", to: "files/plain")
      #expect(symlink("\(mounter.folder.path)/outside", "\(mounter.files)/link") == 0)
      func refused(_ path: String, roots: [String]? = nil) async throws -> MounterError? {
        var request = mounter.request(for: "bad", path: path)
        if let roots { request.fileRoots = roots }
        let error = await #expect(throws: MounterError.self) { try await mounter.mount(request) }
        #expect(access(request.mountPoint, F_OK) != 0)
        return error
      }
      let files = mounter.files
      #expect(try await refused("\(files)/absent") == .underFileSystemAbsent(path: "\(files)/absent"))
      #expect(try await refused("\(files)/plain") == .underFileSystemNotADirectory(path: "\(files)/plain"))
      #expect(try await refused("\(files)/link") == .underFileSystemOutsideRoots(path: "\(files)/link"))
      #expect(try await refused(files, roots: []) == .noFileRoots(path: files))
      var request = mounter.request(for: "bad", path: "x")
      request.underFileSystem = UnderFileSystemURI(scheme: .s3, authority: "bucket", path: "x")
      let error = await #expect(throws: MounterError.self) { try await mounter.mount(request) }
      // As a plugin of an older version would ask.
      #expect(error == .malformed(reason: "a volume on an object store came without its settings"))
      var elsewhere = try mounter.request("data")
      elsewhere.mountPoint = "\(mounter.folder.path)/files"
      await #expect(throws: MounterError.self) { try await mounter.mount(elsewhere) }
      #expect(try await mounter.client.list(by: RunningMounter.patience) == [])
    }
  }

  @Test("ten calls for one volume at once end up with one worker", .requiresFuse)
  func concurrent() async throws {
    try await RunningMounter.use { mounter in
      let request = try mounter.request("data")
      let pids = try await withThrowingTaskGroup(of: Int32?.self) { group in
        for _ in 0..<10 { group.addTask { try await mounter.mount(request).pid } }
        return try await group.reduce(into: Set<Int32?>()) { $0.insert($1) }
      }
      #expect(pids.count == 1)
    }
  }

  @Test("a mount in use is not unmounted, and the error names the process", .requiresFuse)
  func busy() async throws {
    try await RunningMounter.use { mounter in
      let request = try mounter.request("data")
      let status = try await mounter.mount(request)
      let holder = try await OwnThread.run { try Descriptor.open("\(request.mountPoint)/file", O_RDONLY).release() }
      let error = await #expect(throws: MounterError.self) { try await mounter.unmount(request) }
      #expect(error?.description.contains("(pid \(getpid()))") == true, "\(error as Any)")
      var after = try #require(try await mounter.client.status(of: request.key, by: RunningMounter.patience))
      #expect(after.revision > status.revision)
      after.revision = status.revision
      #expect(after == status)
      #expect(try await mounter.read(request) == "content of data\n")
      try await mounter.unmount(request, abandoningUsers: true)
      #expect(try !mounter.isMounted(request))
      // Its flush is refused: the connection is gone.
      try? await OwnThread.run { try Descriptor(adopting: holder).close() }
    }
  }

  @Test("a bind mount keeps the volume, and is named, until the caller abandons it", .requiresFuse)
  func boundElsewhere() async throws {
    try await RunningMounter.use { mounter in
      let request = try mounter.request("data")
      _ = try await mounter.mount(request)
      let target = try mounter.folder.makeDirectory("target")
      try await OwnThread.run { try Mount.bind(from: request.mountPoint, to: target) }
      let error = await #expect(throws: MounterError.self) { try await mounter.unmount(request) }
      #expect(error == .busy(key: request.key, holders: [.mount(at: target)]))
      try Mount.unmount(target)
      try await mounter.unmount(request)
    }
  }

  @Test("a hundred volumes are served at once, and all are gone at the end", .requiresFuse)
  func hundred() async throws {
    try await RunningMounter.use { mounter in
      let requests = try (0..<100).map { try mounter.request("volume-\($0)") }
      try await withThrowingTaskGroup(of: Void.self) { group in
        for request in requests { group.addTask { _ = try await mounter.mount(request) } }
        try await group.waitForAll()
      }
      #expect(try await mounter.client.list(by: RunningMounter.patience).count == 100)
      #expect(try await mounter.read(requests[99]) == "content of volume-99\n")
      try await mounter.client.shutdown(unmountingAll: true, by: RunningMounter.patience)
      #expect(try MountTable.read().beneath(mounter.folder.path).isEmpty)
      #expect(try DirectoryNames.list(mounter.paths.volumes) == [])
      // `use` ends it once more: start it again for that.
      try await mounter.launcher.ensureRunning(by: RunningMounter.patience)
    }
  }

  @Test("capacity can change while a volume is served", .requiresFuse)
  func expand() async throws {
    try await RunningMounter.use { mounter in
      let request = try mounter.request("data")
      _ = try await mounter.mount(request)
      var options = request.options
      options.capacityBytes = 1 << 30
      let status = try await mounter.client.updateOptions(options, of: request.key, by: RunningMounter.patience)
      #expect(status.request.options.capacityBytes == 1 << 30)
    }
  }

  @Test("secrets reach the worker and can be refreshed", .requiresFuse)
  func secrets() async throws {
    try await RunningMounter.use { mounter in
      let request = try mounter.request("data")
      _ = try await mounter.mount(request, secrets: VolumeSecrets(["token": "hunter2"]))
      _ = try await mounter.mount(request, secrets: VolumeSecrets(["token": "hunter3"]))
      try await mounter.client.refreshSecrets(
        VolumeSecrets(["token": "hunter4"]), of: request.key, by: RunningMounter.patience)
      #expect(!mounter.log.contains("hunter"))
    }
  }
}
