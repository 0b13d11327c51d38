import Glibc
import LinuxSystem
import Mounter
import SystemPackage
import TestSupport
import Testing
import VolumeModel

/// What workers for object stores may do, seen from outside and tried from inside.
@Suite("A worker for an object store is nobody", .serialized)
struct StoreIsolationTests {
  /// Lines of /proc/PID/status, of every thread.
  private static func threads(_ pid: Int32) throws -> [[String: String]] {
    try DirectoryNames.list("/proc/\(pid)/task").compactMap { thread in
      // Threads come and go.
      guard let text = try? WholeFile.text("/proc/\(pid)/task/\(thread)/status") else { return nil }
      var fields: [String: String] = [:]
      for line in text.split(separator: "\n") {
        let halves = line.split(separator: ":", maxSplits: 1)
        if halves.count == 2 {
          fields[String(halves[0])] = halves[1].split(whereSeparator: \.isWhitespace).joined(separator: " ")
        }
      }
      return fields
    }
  }

  /// - Returns: the user.
  private static func checkIdentity(_ mounter: RunningMounter, _ request: MountRequest) async throws -> UInt32 {
    let pid = try #require(try await mounter.mount(request).pid)
    let folder = try Descriptor.open(mounter.pageFolder(request), O_RDONLY | O_DIRECTORY).status()
    let ids = Array(repeating: "\(folder.uid)", count: 4).joined(separator: " ")
    let threads = try Self.threads(pid)
    #expect(threads.count > 2)
    for thread in threads {
      #expect(thread["Uid"] == ids)
      #expect(thread["Gid"] == ids)
      #expect(thread["Groups", default: ""] == "")
      for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] { #expect(thread[set] == "0000000000000000") }
      #expect(thread["NoNewPrivs"] == "1")
      #expect(thread["Seccomp"] == "2")
    }
    return folder.uid
  }

  @Test(
    "it is a user of its own without groups and capabilities, and so is the next one, which waited for it",
    .requiresFuse)
  func identity() async throws {
    let bucket = try TestBucket.moto()
    try bucket.put("file", Array("content".utf8))
    try await RunningMounter.use { mounter in
      var users: [UInt32] = []
      for name in ["a", "b"] {
        let request = try mounter.request(name, on: bucket)
        let pid = try #require(try await mounter.mount(request, secrets: TestBucket.secrets).pid)
        #expect(try await mounter.read(request) == "content")
        users.append(try await Self.checkIdentity(mounter, request))
        for file in ["environ", "cmdline"] {
          #expect(try !WholeFile.text("/proc/\(pid)/\(file)").contains(TestBucket.secretKey))
        }
        try await mounter.replaceWorker(request)
        #expect(try await Self.checkIdentity(mounter, request) == users.last)
        #expect(try await mounter.read(request) == "content")
        try await mounter.unmount(request)
        // Its pages are there for the next mount, which is the same user's.
        _ = try await mounter.mount(request, secrets: TestBucket.secrets)
        #expect(try await Self.checkIdentity(mounter, request) == users.last)
      }
      #expect(Set(users).count == 2)
      #expect(!mounter.log.contains(TestBucket.secretKey))
      // The standby worker can become one for a directory as well.
      let directory = try mounter.request("directory")
      let pid = try #require(try await mounter.mount(directory).pid)
      #expect(try Self.threads(pid).allSatisfy { $0["CapBnd"] == "00000000880000df" && $0["Uid"] == "0 0 0 0" })
    }
  }

  @Test(
    "it can open nothing but its own folder and what finding a server takes, run nothing, and serve nobody",
    .requiresFuse)
  func reach() async throws {
    let bucket = try TestBucket.moto()
    try bucket.put("file", Array("content".utf8))
    let scripts = try TemporaryDirectory("probe")
    let open = try scripts.write("for everybody", to: "open", mode: 0o644)
    // Known before it is made.
    let other = WorkerKey(volumeID: "other")
    let script = scripts.appending("worker")
    let mounter = try RunningMounter(worker: script)
    let folder = "\(mounter.paths.pageStore)/\(other.name)"
    let paths = ["/etc/shadow", "/etc/passwd", folder, open, "/", mounter.paths.pageStore, "/etc/hosts"]
    try scripts.write(
      """
      #!/bin/sh
      ALLUXIO_PROBE_PATHS=\(paths.joined(separator: ":")) exec \(builtProduct("alluxio-fuse")) "$@"
      """, to: "worker", mode: 0o755)
    try await mounter.launcher.ensureRunning(by: RunningMounter.patience)
    let process = try mounter.process()
    _ = try await mounter.mount(try mounter.request("other", on: bucket), secrets: TestBucket.secrets)
    let request = try mounter.request("data", on: bucket)
    _ = try await mounter.mount(request, secrets: TestBucket.secrets)
    #expect(try await mounter.read(request) == "content")
    let lines = mounter.log.split(separator: "\n").filter { $0.contains("probe ") && $0.contains("data") }
    func outcome(_ what: String) -> Int32? {
      let line = lines.first { $0.contains("probe \(what): ") }
      return line?.components(after: "probe \(what): ")
    }
    #expect(outcome("open /etc/shadow") == EACCES)
    #expect(outcome("open \(folder)") == EACCES)
    #expect(outcome("open \(mounter.paths.pageStore)") == EACCES)
    #expect(outcome("identity") == EPERM)
    // Whichever comes first.
    #expect([EACCES, EPERM].contains(outcome("program")))
    if !mounter.log.contains("step=landlock") {
      for path in ["/etc/passwd", open, "/"] { #expect(outcome("open \(path)") == EACCES) }
      #expect(outcome("listen") == EACCES)
    }
    #expect(outcome("open /etc/hosts") == nil)
    try await mounter.client.shutdown(unmountingAll: true, by: RunningMounter.patience)
    _ = try await OwnThread.run { try Waiting.untilEnded(process) }
  }
}

extension Substring {
  /// The number behind the text; nil where there is none.
  fileprivate func components(after text: String) -> Int32? {
    var rest = self
    while !rest.isEmpty {
      if rest.hasPrefix(text) { return Int32(rest.dropFirst(text.count).prefix { $0.isNumber }) }
      rest = rest.dropFirst()
    }
    return nil
  }
}
