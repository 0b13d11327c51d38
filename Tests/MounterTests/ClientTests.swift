import Glibc
import LinuxSystem
import Logging
import SystemPackage
import TestSupport
import Testing
import VolumeModel

@testable import Mounter

/// What clients may expect of a mounter's socket, and a mounter of its clients. No mounts.
@Suite("The mounter's socket", .serialized)
struct ClientTests {
  @Test("two launchers at once end up with one mounter, in a session of its own")
  func race() async throws {
    try await RunningMounter.use { mounter in
      let launcher = mounter.launcher
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<8 { group.addTask { try await launcher.ensureRunning(by: RunningMounter.patience) } }
        try await group.waitForAll()
      }
      let pid = try mounter.process().pid
      #expect(getsid(pid) == pid)
      #expect(mounter.log.split(separator: "\n").filter { $0.contains("serving") }.count == 1)
    }
  }

  @Test("launchers that race for the first start end up with one mounter")
  func firstRace() async throws {
    let mounter = try RunningMounter()
    let launcher = mounter.launcher
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<8 { group.addTask { try await launcher.ensureRunning(by: RunningMounter.patience) } }
      try await group.waitForAll()
    }
    let process = try mounter.process()
    #expect(mounter.log.split(separator: "\n").filter { $0.contains("serving") }.count == 1)
    try await mounter.client.shutdown(unmountingAll: true, by: RunningMounter.patience)
    _ = try await OwnThread.run { try Waiting.untilEnded(process) }
  }

  @Test("a second mounter at the same socket is refused and says why")
  func secondMounter() async throws {
    try await RunningMounter.use { mounter in
      let configuration = MounterServer.Configuration(
        socket: mounter.launcher.socket, stateDirectory: mounter.paths.stateDirectory, worker: "/x", log: LogOptions(),
        program: "test")
      #expect(throws: MounterError.system(.addressInUse, step: "listening at \(mounter.launcher.socket)")) {
        _ = try MounterServer(configuration)
      }
    }
  }

  @Test("the socket and its folder belong to the mounter's user alone")
  func modes() async throws {
    try await RunningMounter.use { mounter in
      var status = stat()
      #expect(stat(mounter.launcher.socket, &status) == 0)
      #expect(status.st_mode & 0o777 == 0o600)
      #expect(stat("\(mounter.folder.path)/run", &status) == 0)
      #expect(status.st_mode & 0o777 == 0o700)
    }
  }

  @Test("a socket that nobody serves is unreachable, and the error says where")
  func unreachable() async throws {
    let client = MounterClient(socket: "/nowhere/mounter.sock", program: "test")
    let error = await #expect(throws: MounterError.self) { try await client.list(by: RunningMounter.patience) }
    #expect(error?.description.contains("/nowhere/mounter.sock") == true)
  }

  @Test("a mounter that cannot be started says what is wrong")
  func cannotStart() async throws {
    let folder = try TemporaryDirectory("launch")
    var launcher = MounterLauncher(
      socket: folder.appending("m.sock"), stateDirectory: folder.path, mounter: "/nowhere/alluxio-mounter")
    #expect(
      await #expect(throws: MounterError.self) { try await launcher.ensureRunning(by: RunningMounter.patience) }
        == .system(.noSuchFileOrDirectory, step: "starting /nowhere/alluxio-mounter"))
    launcher.mounter = try builtProduct("alluxio-mounter")
    launcher.stateDirectory = "relative"
    launcher.logFile = folder.appending("log")
    let error = await #expect(throws: MounterError.self) {
      try await launcher.ensureRunning(by: RunningMounter.patience)
    }
    #expect(error?.description.contains("its log says why") == true)
    #expect(try WholeFile.text(folder.appending("log")).contains("--state-dir relative is not an absolute path"))
  }

  @Test("bytes that are no message end the connection with an answer, and no other one")
  func garbage() async throws {
    try await RunningMounter.use { mounter in
      let socket = mounter.launcher.socket
      var random = SeededGenerator(seed: 1)
      for round in 0..<200 {
        let connection = try SeqpacketSocket.connect(to: socket)
        let bytes = round == 0 ? [UInt8](repeating: 0xFF, count: 90_000) : random.bytes(count: round)
        try? connection.send(bytes)
      }
      let connection = try SeqpacketSocket.connect(to: socket)
      try connection.send([0xFF, 0xFF])
      let packet = try #require(try connection.receive(maxBytes: 65_536))
      guard case .failed(.malformed) = try Wire.reply(packet.bytes).reply else { return #expect(Bool(false)) }
      #expect(try connection.receive(maxBytes: 65_536) == nil)
      #expect(try await mounter.client.list(by: RunningMounter.patience) == [])
    }
  }

  @Test("a call of a newer version, and one that lacks its key, are answered on a connection that goes on")
  func newerClient() async throws {
    try await RunningMounter.use { mounter in
      let connection = try SeqpacketSocket.connect(to: mounter.launcher.socket)
      func answer(_ bytes: [UInt8]) throws -> ReplyMessage {
        try connection.send(bytes)
        return try Wire.reply(try #require(try connection.receive(maxBytes: 65_536)).bytes)
      }
      let unknown = try answer([0x08, 9, 0x9A, 0x06, 0])
      #expect(unknown.id == 9)
      guard case .failed(.protocolVersion) = unknown.reply else { return #expect(Bool(false)) }
      guard case .failed(.malformed) = try answer([0x08, 10, 0x62, 0]).reply else { return #expect(Bool(false)) }
      let newer = CallMessage(id: 11, call: .hello(version: 99, program: "from the future"))
      guard case .hello(let greeting) = try answer(Wire.encode(newer) + [0xC8, 0x3E, 5]).reply else {
        return #expect(Bool(false))
      }
      #expect(greeting.version == ProtocolVersion.current)
      let older = CallMessage(id: 12, call: .hello(version: 0, program: "from the past"))
      guard case .failed(.protocolVersion) = try answer(Wire.encode(older)).reply else { return #expect(Bool(false)) }
    }
  }

  @Test("secrets that are not sealed, or too large, are refused")
  func unsealedSecrets() async throws {
    try await RunningMounter.use { mounter in
      let connection = try SeqpacketSocket.connect(to: mounter.launcher.socket)
      let call = CallMessage(id: 1, roles: [.secrets], call: .refreshSecrets(WorkerKey(volumeID: "x")))
      let loose = try Memfd.create(name: "loose", byteCount: 10)
      try connection.send(Wire.encode(call), descriptors: [loose.rawValue])
      let reply = try Wire.reply(try #require(try connection.receive(maxBytes: 65_536)).bytes)
      guard case .failed(.malformed(let reason)) = reply.reply else { return #expect(Bool(false)) }
      #expect(reason.contains("sealed"))
    }
  }

  @Test("descriptors that nobody asked for are closed")
  func strayDescriptors() async throws {
    try await RunningMounter.use { mounter in
      let before = try LeakSnapshot(ofPid: mounter.process().pid, mountsBeneath: nil)
      let connection = try SeqpacketSocket.connect(to: mounter.launcher.socket)
      let stray = try Memfd.create(name: "stray")
      for id in 1...20 {
        let call = CallMessage(id: UInt64(id), roles: [nil, .fuseDevice], call: .list)
        try connection.send(Wire.encode(call), descriptors: [stray.rawValue, stray.rawValue])
        _ = try connection.receive(maxBytes: 65_536)
      }
      // An answer may come before its call's descriptors are closed; the answer to the next call does not.
      try connection.send(Wire.encode(CallMessage(id: 21, roles: [], call: .list)), descriptors: [])
      _ = try connection.receive(maxBytes: 65_536)
      let after = try LeakSnapshot(ofPid: mounter.process().pid, mountsBeneath: nil)
      #expect(after.memfds == before.memfds)
    }
  }

  @Test("a client that never reads its replies is dropped, and others are served")
  func slowClient() async throws {
    try await RunningMounter.use { mounter in
      let connection = try SeqpacketSocket.connect(to: mounter.launcher.socket)
      try connection.descriptor.setNonBlocking(true)
      let call = Wire.encode(CallMessage(id: 1, call: .list))
      var sent = 0
      while sent < 20_000,
        (try? connection.send(call)) != nil || (try? connection.descriptor.isWritable(within: 200)) == true
      {
        sent += 1
      }
      #expect(try await mounter.client.list(by: RunningMounter.patience) == [])
    }
  }

  @Test("two hundred clients at once are served")
  func manyClients() async throws {
    try await RunningMounter.use { mounter in
      let socket = mounter.launcher.socket
      let clients = (0..<200).map { MounterClient(socket: socket, program: "client \($0)") }
      try await withThrowingTaskGroup(of: Void.self) { group in
        for client in clients { group.addTask { _ = try await client.list(by: RunningMounter.patience) } }
        try await group.waitForAll()
      }
      // The connections end with their clients; threads of the links end with them.
      withExtendedLifetime(clients) {}
    }
  }

  @Test("a mounter that is idle is small")
  func memory() async throws {
    try await RunningMounter.use { mounter in
      let status = try ProcessStatus(pid: mounter.process().pid)
      // A debug build with shared libraries: the release build is measured by the benchmarks.
      #expect(status.anonymousBytes < 8 << 20, "\(status)")
    }
  }
}
