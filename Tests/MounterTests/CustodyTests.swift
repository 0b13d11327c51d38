import Glibc
import LinuxSystem
import SystemPackage
import TestSupport
import Testing
import VolumeModel

@testable import Mounter

/// A mounter that dies where no parent holds its descriptors, and the next one that is offered what a client had kept.
@Suite("Custody", .serialized)
struct CustodyTests {
  /// A mounter, and a client that keeps copies of its volumes as a node plugin does.
  private static func use(_ body: (RunningMounter, MounterClient) async throws -> Void) async throws {
    try await RunningMounter.use { mounter in
      let custodian = MounterClient(socket: mounter.launcher.socket, program: "custodian", keepsCustody: true)
      try await custodian.connect(by: RunningMounter.patience)
      try await body(mounter, custodian)
    }
  }

  /// kill -9 of the mounter, and the next one at the same socket.
  private static func replaceMounter(_ mounter: RunningMounter) async throws {
    let old = try mounter.process()
    try old.signal(SIGKILL)
    _ = try await OwnThread.run { try Waiting.untilEnded(old) }
    try await mounter.launcher.ensureRunning(by: RunningMounter.patience)
  }

  private static func only(_ client: MounterClient) async throws -> WorkerStatus? {
    let all = try await client.list(by: RunningMounter.patience)
    return all.count == 1 ? all[0] : nil
  }

  /// The status once a worker other than `pid` serves.
  private static func served(_ client: MounterClient, exceptBy pid: Int32?) async throws -> WorkerStatus {
    let limit = Deadline.after(.patient)
    while !limit.hasPassed {
      if let status = try await only(client), status.state == .ready, status.pid != pid { return status }
    }
    throw Errno.timedOut
  }

  /// Writes each line that it is given to a file that it opened at its start.
  private static func writer(_ request: MountRequest) throws -> Application {
    try Application(
      "exec 3>>\"$1/log\"; while read -r word; do echo \"$word\" >&3; echo \"$word\"; done", [request.mountPoint])
  }

  @Test("the mounter is killed: the next one goes on with the living worker, and open files stay open", .requiresFuse)
  func mounterKilled() async throws {
    try await Self.use { mounter, custodian in
      let request = try mounter.request("data")
      let before = try await mounter.mount(request, secrets: VolumeSecrets(["a": "b"]))
      let application = try Self.writer(request)
      for round in 1...3 {
        #expect(try await application.ask("word\(round)") == "word\(round)")
        try await Self.replaceMounter(mounter)
        let after = try #require(try await Self.only(custodian))
        #expect(after.pid == before.pid && after.connection == before.connection && after.state == .ready)
        #expect(after.restarts == 0 && after.request == request)
      }
      #expect(try await application.ask("last") == "last")
      #expect(try WholeFile.text("\(mounter.files)/data/log") == "word1\nword2\nword3\nlast\n")
      // The worker obeys its new mounter, and its end is seen.
      var options = request.options
      options.capacityBytes = 1 << 30
      let updated = try await custodian.updateOptions(options, of: request.key, by: RunningMounter.patience)
      #expect(updated.request.options == options)
      try PidFD(pid: try #require(before.pid)).signal(SIGKILL)
      let next = try await Self.served(custodian, exceptBy: before.pid)
      #expect(next.restarts == 1 && next.history.deaths.map(\.exit) == [.unknown])
      #expect(try await application.ask("again") == "again")
      withExtendedLifetime(application) {}
    }
  }

  @Test(
    "worker and mounter are killed at once: the next worker has the same connection, and files without a name",
    .requiresFuse)
  func bothKilled() async throws {
    try await Self.use { mounter, custodian in
      let request = try mounter.request("data")
      let before = try await mounter.mount(request)
      let application = try Application(
        """
        cd "$1"; exec 3>>log 4<>nameless; rm nameless
        while read -r word; do echo "$word" >&3; echo "$word" >&4; tail -n 1 /proc/self/fd/4; done
        """, [request.mountPoint])
      #expect(try await application.ask("one") == "one")
      _ = try await custodian.list(by: RunningMounter.patience)
      let worker = try PidFD(pid: try #require(before.pid))
      try mounter.process().signal(SIGSTOP)
      try worker.signal(SIGKILL)
      try await Self.replaceMounter(mounter)
      let after = try await Self.served(custodian, exceptBy: before.pid)
      #expect(after.connection == before.connection && after.restarts == 1)
      #expect(try await application.ask("two") == "two")
      #expect(try WholeFile.text("\(mounter.files)/data/log") == "one\ntwo\n")
      withExtendedLifetime(application) {}
    }
  }

  @Test("a worker that the copies do not know of is found, killed and followed by one that does", .requiresFuse)
  func staleCopy() async throws {
    try await Self.use { mounter, _ in
      let request = try mounter.request("data")
      let first = try await mounter.mount(request)
      let copy = try await Self.copy(of: mounter)
      let application = try Self.writer(request)
      #expect(try await application.ask("one") == "one")
      try PidFD(pid: try #require(first.pid)).signal(SIGKILL)
      let second = try await Self.served(mounter.client, exceptBy: first.pid)
      let unknown = try PidFD(pid: try #require(second.pid))
      // The client that knows of it does not come back.
      try await RunningMounter.use(besides: mounter) { next in
        #expect(try await next.offer(copy) == nil)
        let third = try await Self.served(next.client, exceptBy: second.pid)
        #expect(third.connection == first.connection)
        #expect(try unknown.hasEnded())
        #expect(try await application.ask("two") == "two")
      }
      withExtendedLifetime(application) {}
    }
  }

  /// What a client that asks for it gets of the only volume.
  private static func copy(of mounter: RunningMounter) async throws -> CustodyCopy {
    let store = CustodyStore()
    let link = try ClientLink(to: mounter.launcher.socket) {
      if case .custody(let copy) = $0 { store.keep(copy) }
    }
    defer { link.close() }
    _ = await withCheckedContinuation { continuation in
      link.send(.keepCustody, by: RunningMounter.patience, step: "") { continuation.resume(returning: $0) }
    }
    return try #require(store.copies.first)
  }

  @Test("copies that are stale or of something else are refused with the reason", .requiresFuse)
  func refused() async throws {
    try await Self.use { mounter, _ in
      let request = try mounter.request("data")
      _ = try await mounter.mount(request)
      let copy = try await Self.copy(of: mounter)
      #expect(try await mounter.offer(copy) == nil)
      // A second worker would not be let in.
      let state = try #require(copy.descriptors[.sharedState])
      #expect(try ProcessLock.owner(of: state.descriptor) == copy.volume.status.pid)
      #expect(throws: Errno.resourceTemporarilyUnavailable) { try ProcessLock.take(state.descriptor) }
      try await RunningMounter.use(besides: mounter) { next in
        var other = copy
        other.descriptors[.fuseDevice] = SharedDescriptor(try Descriptor.open("/dev/null", O_RDWR))
        #expect(try await next.offer(other)?.contains("no descriptor of /dev/fuse") == true)
        other = copy
        other.descriptors[.sharedState] = SharedDescriptor(try Memfd.create(name: "other", byteCount: 1 << 22))
        #expect(try await next.offer(other)?.contains("shared state") == true)
        other = copy
        other.descriptors[.secrets] = SharedDescriptor(try Memfd.create(name: "other", byteCount: 10))
        #expect(try await next.offer(other)?.contains("not sealed") == true)
        other = copy
        other.descriptors[.underFileSystemRoot] = nil
        #expect(try await next.offer(other)?.contains("directory of the under file system") == true)
        other = copy
        other.volume.status.connection += 1
        #expect(try await next.offer(other)?.contains("FUSE connection") == true)
        other = copy
        other.volume.status.request.mountPoint += "x"
        #expect(try await next.offer(other)?.contains("mount point") == true)
        try Mount.unmount(request.mountPoint, flags: [.detach])
        let reason = try await next.offer(copy)
        #expect(reason?.contains("nothing of this driver's is mounted") == true || reason?.contains("gone") == true)
        #expect(try await next.client.list(by: RunningMounter.patience).isEmpty)
      }
    }
  }

  @Test("whoever keeps copies is named, gets one set for each volume, and closes it with the volume", .requiresFuse)
  func kept() async throws {
    try await RunningMounter.use { mounter in
      let request = try mounter.request("data")
      _ = try await mounter.mount(request)
      #expect(try await Self.only(mounter.client)?.custody?.custodians == [])
      let custodian = MounterClient(socket: mounter.launcher.socket, program: "custodian", keepsCustody: true)
      let other = try mounter.request("other")
      for round in 1...3 {
        _ = try await mounter.mount(other)
        let statuses = try await custodian.list(by: RunningMounter.patience)
        #expect(statuses.count == 2, "round \(round)")
        #expect(statuses.allSatisfy { $0.custody?.custodians == ["custodian (pid \(getpid()))"] })
        #expect(statuses.allSatisfy { $0.custody?.missing == [] })
        weak let device = custodian.custody?.copies.first { $0.key == other.key }?.descriptors[.fuseDevice]
        #expect(device != nil)
        try await mounter.unmount(other)
        _ = try await custodian.list(by: RunningMounter.patience)
        #expect(custodian.custody?.copies.map(\.key) == [request.key], "round \(round)")
        #expect(device == nil)
      }
    }
  }
}

extension RunningMounter {
  /// Kills that mounter and lets `body` use one of the same folders to which nobody offers anything by himself; the volumes
  /// are unmounted at its end.
  fileprivate static func use(besides former: RunningMounter, _ body: (RunningMounter) async throws -> Void)
    async throws
  {
    let process = try former.process()
    try process.signal(SIGKILL)
    _ = try await OwnThread.run { try Waiting.untilEnded(process) }
    let next = RunningMounter(after: former, socket: "\(former.folder.path)/run/next.sock")
    try await next.launcher.ensureRunning(by: patience)
    let serving = try next.process()
    do { try await body(next) } catch {
      try? await next.client.shutdown(unmountingAll: true, by: patience)
      throw error
    }
    try await next.client.shutdown(unmountingAll: true, by: patience)
    _ = try await OwnThread.run { try Waiting.untilEnded(serving) }
    // What began this ends with a mounter, too.
    try await former.launcher.ensureRunning(by: patience)
  }

  /// - Returns: why the mounter refuses; nil where it goes on with the volume.
  fileprivate func offer(_ copy: CustodyCopy) async throws -> String? {
    let link = try ClientLink(to: launcher.socket) { _ in }
    defer { link.close() }
    let outcome = await withCheckedContinuation { continuation in
      link.send(.offerCustody(copy.volume), descriptors: copy.descriptors, by: Self.patience, step: "") {
        continuation.resume(returning: $0)
      }
    }
    switch outcome {
    case .success: return nil
    case .failure(.custodyRefused(_, let reason)): return reason
    case .failure(let error): throw error
    }
  }
}
