import Glibc
import LinuxSystem
import Mounter
import ObjectStoreServers
import SystemPackage
import TestSupport
import Testing
import VolumeModel

/// Volumes on real servers, through a mounter and its workers.
@Suite("A volume on an object store", .serialized)
struct ObjectVolumeTests {
  /// Runs what it is told, line by line, with the mount as `$1`, and ends at the first failure.
  private static func shell(_ request: MountRequest, _ more: String...) throws -> Application {
    try Application("while read -r line; do eval \"$line\"; echo ok; done", [request.mountPoint] + more)
  }

  /// Bytes that are not the same anywhere.
  private static func bytes(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
    var random = SeededGenerator(seed: seed)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count + 8)
    while bytes.count < count { withUnsafeBytes(of: random.next()) { bytes.append(contentsOf: $0) } }
    return Array(bytes.prefix(count))
  }

  @Test("files are read, listed, written, renamed and removed", .requiresFuse)
  func files() async throws {
    let bucket = try TestBucket.moto()
    try bucket.put("folder/one", Array("1".utf8))
    try await RunningMounter.use { mounter in
      let request = try mounter.request("data", on: bucket)
      _ = try await mounter.mount(request, secrets: TestBucket.secrets)
      let shell = try Self.shell(request)
      #expect(try await shell.ask("test \"$(cat \"$1/folder/one\")\" = 1") == "ok")
      #expect(try await shell.ask("printf two > \"$1/two\"; mkdir \"$1/new\"; cp \"$1/two\" \"$1/new/three\"") == "ok")
      #expect(try await shell.ask("test \"$(ls \"$1\" | tr '\\n' ' ')\" = 'folder new two '") == "ok")
      #expect(try await shell.ask("mv \"$1/two\" \"$1/second\"; rm \"$1/folder/one\"") == "ok")
      try await shell.end()
      #expect(try #require(try bucket.text("second")) == "two")
      #expect(try #require(try bucket.text("new/three")) == "two")
      #expect(try bucket.get("two") == nil)
      #expect(try bucket.get("folder/one") == nil)
    }
  }

  @Test("readers notice nothing of workers that are killed, and read right bytes", .requiresFuse)
  func killedWhileRead() async throws {
    let bucket = try TestBucket.moto()
    let content = Self.bytes(12 << 20)
    try bucket.put("file", content)
    try await RunningMounter.use { mounter in
      let request = try mounter.request("data", on: bucket)
      _ = try await mounter.mount(request, secrets: TestBucket.secrets)
      let copy = "\(mounter.files)/copy"
      try Descriptor.open(copy, O_WRONLY | O_CREAT, mode: 0o600).writeAll(content)
      let shell = try Self.shell(request, copy)
      #expect(try await shell.ask("exec 3<\"$1/file\" 4<\"$2\"") == "ok")
      for _ in 0..<3 {
        try await mounter.replaceWorker(request)
        let part =
          "head -c 4194304 <&3 >\"$2.a\"; head -c 4194304 <&4 >\"$2.b\"; cmp \"$2.a\" \"$2.b\"; ls \"$1\" >/dev/null"
        #expect(try await shell.ask(part) == "ok")
      }
      try await shell.end()
      // And while they read: without the kernel's pages, so that a worker is asked each time.
      let load = try Spawn(
        executable: "/bin/sh",
        arguments: [
          "sh", "-euc",
          """
          number=0
          while [ ! -e "$2.stop" ]; do
            dd if="$1/file" iflag=direct bs=1M 2>/dev/null | cmp - "$2"; ls "$1" | grep -qx file
            number=$((number + 1)); echo "$number" >>"$2.log"
          done
          """, "sh", request.mountPoint, copy,
        ], environment: ["PATH=/usr/bin:/bin"]
      ).start()
      defer { try? load.signal(SIGKILL) }
      for _ in 0..<4 { try await mounter.replaceWorker(request) }
      try mounter.folder.write("", to: "files/copy.stop")
      #expect(try await OwnThread.run { try Waiting.untilEnded(load) } == .exited(code: 0))
      #expect(try await mounter.mount(request).restarts >= 7)
    }
  }

  @Test("what was written before a worker's death and after it is there, once, when the file is closed", .requiresFuse)
  func killedWhileWritten() async throws {
    let bucket = try TestBucket.moto()
    let content = Self.bytes(20 << 20)
    try await RunningMounter.use { mounter in
      let request = try mounter.request("data", on: bucket)
      _ = try await mounter.mount(request, secrets: TestBucket.secrets)
      let copy = "\(mounter.files)/copy"
      try Descriptor.open(copy, O_WRONLY | O_CREAT, mode: 0o600).writeAll(content)
      let shell = try Self.shell(request, copy)
      #expect(try await shell.ask("exec 3>\"$1/small\" 4>\"$1/large\"; printf first >&3; cat \"$2\" >&4") == "ok")
      try await mounter.replaceWorker(request)
      #expect(try await shell.ask("printf second >&3; printf tail >&4") == "ok")
      try await mounter.replaceWorker(request)
      #expect(try await shell.ask("exec 3>&- 4>&-") == "ok")
      try await shell.end()
      #expect(try #require(try bucket.text("small")) == "firstsecond")
      #expect(try bucket.get("large") == content + Array("tail".utf8))
      try await mounter.replaceWorker(request)
      #expect(try await mounter.read(request, "small") == "firstsecond")
      // The kernel forgets at an unmount that files were closed: what is left of them goes with the next mount.
      try await mounter.unmount(request)
      _ = try await mounter.mount(request, secrets: TestBucket.secrets)
      #expect(try DirectoryNames.list("\(mounter.pageFolder(request))/spools").isEmpty)
      #expect(try await mounter.read(request, "small") == "firstsecond")
    }
  }

  @Test("an application goes on over a new build of the worker, and over another mounter", .requiresFuse)
  func moved() async throws {
    let bucket = try TestBucket.moto()
    try bucket.put("file", Array("content".utf8))
    let mounter = try RunningMounter()
    try await mounter.launcher.ensureRunning(by: RunningMounter.patience)
    let request = try mounter.request("data", on: bucket)
    let first = try await mounter.mount(request, secrets: TestBucket.secrets)
    let shell = try Self.shell(request)
    #expect(try await shell.ask("exec 3>\"$1/new\" 4<\"$1/file\"; printf a >&3") == "ok")
    try mounter.process().signal(SIGHUP)
    let rolled = try await mounter.untilStatus(request) { $0.pid != first.pid && $0.state == .ready }
    #expect(rolled.history.deaths.map(\.exit) == [.replaced])
    #expect(try await shell.ask("printf b >&3; cat \"$1/file\" >/dev/null") == "ok")
    let follower = try TakeOverTests.follow(mounter)
    #expect(try await follower.word().hasPrefix("ready"))
    var answer: WorkerStatus?
    // The connection to the one before ends, perhaps under a call, which its caller makes again.
    while answer == nil {
      do { answer = try await mounter.mount(request) } catch MounterError.unreachable { continue }
    }
    let taken = try #require(answer)
    #expect(taken.state == .ready)
    #expect(taken.pid != rolled.pid)
    #expect(taken.request == request)
    #expect(try await shell.ask("printf c >&3; exec 3>&-; test \"$(cat <&4)\" = content") == "ok")
    try await shell.end()
    #expect(try #require(try bucket.text("new")) == "abc")
    // The follower knows the folder as the first did, and a next worker gets it from there.
    try await mounter.replaceWorker(request)
    #expect(try await mounter.read(request, "new") == "abc")
    try await mounter.client.shutdown(unmountingAll: true, by: RunningMounter.patience)
    _ = try await OwnThread.run { try Waiting.untilEnded(follower.process) }
  }

  @Test(
    "new credentials are used once the store has taken them, and refused ones are a problem and no harm", .requiresFuse)
  func rotation() async throws {
    let bucket = try TestBucket.rclone()
    try bucket.put("file", Array("content".utf8))
    try bucket.put("later", Array("more".utf8))
    try await RunningMounter.use { mounter in
      let request = try mounter.request("data", on: bucket)
      let first = try await mounter.mount(request, secrets: TestBucket.secrets)
      let wrong = TestBucket.secrets(String(TestBucket.secretKey.reversed()))
      #expect(try await mounter.mount(request, secrets: wrong).state == .ready)
      let refused = try await mounter.untilStatus(request) { $0.credentialProblem != nil }
      #expect(refused.pid == first.pid)
      #expect(refused.credentialProblem?.contains("s3a.secretKey") == true)
      #expect(try await mounter.read(request) == "content")
      // The next worker does not begin with what the store has refused.
      try await mounter.replaceWorker(request)
      #expect(try await mounter.read(request, "later") == "more")
      _ = try await mounter.mount(request, secrets: TestBucket.secrets)
      let accepted = try await mounter.untilStatus(request) { $0.credentialProblem == nil }
      #expect(accepted.state == .ready)
      #expect(!mounter.log.contains(TestBucket.secretKey))
    }
  }

  @Test("a volume that its store does not serve is not mounted, and the error says of what kind and why", .requiresFuse)
  func refused() async throws {
    let bucket = try TestBucket.rclone()
    try bucket.put("file", Array("content".utf8))
    try await RunningMounter.use { mounter in
      let cases: [(MountRequest, VolumeSecrets?, UnderFileSystemRefusal, String)] = [
        (try mounter.request("a", on: bucket, bucket: "absent"), TestBucket.secrets, .absent, "no bucket absent"),
        (
          try mounter.request("b", on: bucket), TestBucket.secrets("wrong" + TestBucket.secretKey), .credentials,
          "s3a.secretKey"
        ),
        (
          try mounter.request("c", on: bucket), VolumeSecrets(["s3a.accessKeyId": TestBucket.accessKey]), .credentials,
          "s3a.secretKey"
        ),
        (
          try mounter.request("d", on: bucket, url: "http://127.0.0.1:\(freePort())"), TestBucket.secrets,
          .unreachable, "cannot be reached"
        ),
        (
          try mounter.request("e", on: bucket, url: ServerProcess.sharedEcho().url), TestBucket.secrets,
          .configuration, "is no object store"
        ),
      ]
      for (request, secrets, kind, words) in cases {
        do throws(MounterError) {
          _ = try await mounter.client.ensureMounted(request, secrets: secrets, by: RunningMounter.patience)
          Issue.record("mounted: \(kind)")
        } catch {
          guard case .underFileSystemRefused(kind, let sentence) = error else {
            Issue.record("\(kind): \(error)")
            continue
          }
          #expect(sentence.contains(words), "\(sentence)")
          #expect(!sentence.contains("\n"))
        }
        #expect(try !mounter.isMounted(request))
      }
      let without = MountRequest(
        key: cases[0].0.key, underFileSystem: cases[0].0.underFileSystem, mountPoint: cases[0].0.mountPoint,
        fileRoots: [], options: WorkerOptions())
      await #expect(throws: MounterError.malformed(reason: "a volume on an object store came without its settings")) {
        _ = try await mounter.mount(without)
      }
    }
  }

  @Test(
    "a worker that can open next to nothing still finds servers by their names and trusts the node's authorities",
    .requiresFuse)
  func namesAndCertificates() async throws {
    let certificate = try ServerCertificate()
    let server = try ConfiguredServer.nginx(certificate)
    let bucket = try TestBucket.moto()
    try bucket.put("file", Array("content".utf8))
    let folder = try TemporaryDirectory("authority")
    // Workers read it as the users that they are.
    try Syscall.once { chmod(folder.path, 0o755) }
    let authority = try folder.write(WholeFile.text(certificate.authorityPath), to: "authority.pem")
    let script = try folder.write(
      "#!/bin/sh\nSSL_CERT_FILE=\(authority) exec \(builtProduct("alluxio-mounter")) \"$@\"\n", to: "mounter",
      mode: 0o755)
    for isTrusted in [true, false] {
      let mounter = try RunningMounter(mounter: isTrusted ? script : nil)
      try await mounter.launcher.ensureRunning(by: RunningMounter.patience)
      let process = try mounter.process()
      let named = try mounter.request("named", on: bucket, url: "http://localhost:\(bucket.server.port)")
      _ = try await mounter.mount(named, secrets: TestBucket.secrets)
      #expect(try await mounter.read(named) == "content")
      // It is no object store, which only shows behind TLS.
      let secure = try mounter.request("secure", on: bucket, url: server.process.encryptedURL)
      let error = await #expect(throws: MounterError.self) {
        _ = try await mounter.mount(secure, secrets: TestBucket.secrets)
      }
      guard case .underFileSystemRefused(_, let sentence) = error else { throw Errno.ioError }
      #expect(sentence.contains("TLS with") == !isTrusted, "\(sentence)")
      try await mounter.client.shutdown(unmountingAll: true, by: RunningMounter.patience)
      _ = try await OwnThread.run { try Waiting.untilEnded(process) }
    }
  }

  @Test("a page folder that is gone ends no mount: the next worker reads on, and writes are refused", .requiresFuse)
  func folderGone() async throws {
    let bucket = try TestBucket.moto()
    try bucket.put("file", Array("content".utf8))
    try await RunningMounter.use { mounter in
      let request = try mounter.request("data", on: bucket)
      _ = try await mounter.mount(request, secrets: TestBucket.secrets)
      #expect(try await mounter.read(request) == "content")
      TemporaryDirectory.removeTree(mounter.pageFolder(request))
      try await mounter.replaceWorker(request)
      let shell = try Self.shell(request)
      #expect(try await shell.ask("test \"$(cat \"$1/file\")\" = content") == "ok")
      #expect(try await shell.ask("if (echo x >\"$1/new\") 2>/dev/null; then exit 1; fi") == "ok")
      try await shell.end()
      #expect(mounter.log.contains("cannot be written"))
      // A new mount makes it again.
      try await mounter.unmount(request)
      _ = try await mounter.mount(request, secrets: TestBucket.secrets)
      let next = try Self.shell(request)
      #expect(try await next.ask("echo x >\"$1/new\"") == "ok")
      try await next.end()
      #expect(try #require(try bucket.text("new")) == "x\n")
    }
  }

  @Test("its worker's counters are in its status, and go up with what is read", .requiresFuse)
  func counters() async throws {
    let bucket = try TestBucket.moto()
    try bucket.put("file", Self.bytes(3 << 20))
    try await RunningMounter.use(arguments: ["--notice-after", "0.2"]) { mounter in
      let request = try mounter.request("data", on: bucket)
      _ = try await mounter.mount(request, secrets: TestBucket.secrets)
      let shell = try Self.shell(request)
      #expect(try await shell.ask("cat \"$1/file\" >/dev/null") == "ok")
      try await shell.end()
      let counted = try await mounter.untilStatus(request) {
        ($0.counters?.bytesFromUnderFileSystem ?? 0) >= 3 << 20
      }
      #expect(counted.counters?.requests.contains { $0.kind == "GetObject" } == true)
      #expect(counted.counters?.cacheLimit == 64 << 20)
      let all = try await mounter.client.list(by: RunningMounter.patience)
      #expect(all.first?.counters != nil)
      // What it keeps on disk it tells whoever divides the node's page store, too.
      let custodian = MounterClient(socket: mounter.launcher.socket, program: "custodian", keepsCustody: true)
      _ = try await custodian.list(by: RunningMounter.patience)
      let account = try #require(custodian.cacheAccount(of: request.key))
      let limit = Deadline.after(.patient)
      func line(_ offset: Int) throws -> UInt64 {
        let bytes = try Memfd.firstBytes(offset + 8, of: account.descriptor).suffix(8)
        return bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
      }
      #expect(try line(0) == 64 << 20)
      while try line(64) < 3 << 20, !limit.hasPassed { sched_yield() }
      #expect(try line(64) >= 3 << 20)
    }
  }

  @Test("what a worker keeps on disk is not held against its memoryLimit", .requiresFuse)
  func memory() async throws {
    let bucket = try TestBucket.moto()
    try bucket.put("file", Self.bytes(96 << 20))
    try await RunningMounter.use { mounter in
      var request = try mounter.request("data", on: bucket) { $0.pageStoreBytes = 256 << 20 }
      request.options.memoryLimitBytes = 64 << 20
      _ = try await mounter.mount(request, secrets: TestBucket.secrets)
      let shell = try Self.shell(request)
      #expect(
        try await shell.ask("cat \"$1/file\" >/dev/null; dd if=\"$1/file\" of=/dev/null iflag=direct bs=1M 2>/dev/null")
          == "ok")
      #expect(try await shell.ask("cp \"$1/file\" \"$1/copy\"") == "ok")
      try await shell.end()
      #expect(try await mounter.mount(request).history.deaths.isEmpty)
    }
  }

  @Test("with a small memoryLimit buffers of reads take no more than a quarter of it", .requiresFuse)
  func smallMemory() async throws {
    let bucket = try TestBucket.moto()
    try bucket.put("file", Self.bytes(24 << 20))
    try await RunningMounter.use(arguments: ["--notice-after", "0.2"]) { mounter in
      var request = try mounter.request("data", on: bucket)
      request.options.memoryLimitBytes = 32 << 20
      _ = try await mounter.mount(request, secrets: TestBucket.secrets)
      let shell = try Self.shell(request)
      #expect(try await shell.ask("cat \"$1/file\" >/dev/null") == "ok")
      try await shell.end()
      let counted = try await mounter.untilStatus(request) { ($0.counters?.memoryBudget ?? 0) > 0 }
      #expect(counted.counters?.memoryBudget == 8 << 20)
      #expect(counted.history.deaths.isEmpty)
    }
  }
}
