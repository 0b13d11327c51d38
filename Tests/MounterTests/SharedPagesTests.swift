import Glibc
import LinuxSystem
import Mounter
import ObjectStoreServers
import SystemPackage
import TestSupport
import Testing
import VolumeModel

/// Volumes whose pages lie in one folder, each with keys of its own, behind a proxy that knows which key may read what.
@Suite("Volumes that share their pages", .serialized, .requiresFuse)
struct SharedPagesTests {
  private static let otherKey = "ZYXWVUTSRQPONMLKJIHG"
  private static let size = 6 << 20

  private let bucket: TestBucket
  private let proxy: FaultProxy
  private let content: [UInt8]

  init() throws {
    bucket = try TestBucket.moto()
    proxy = try FaultProxy(before: bucket.server)
    var random = SeededGenerator(seed: 7)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(Self.size)
    while bytes.count < Self.size { withUnsafeBytes(of: random.next()) { bytes.append(contentsOf: $0) } }
    content = bytes
    try bucket.put("file", content)
  }

  private func request(_ name: String, _ mounter: RunningMounter) throws -> MountRequest {
    try mounter.request(name, on: bucket, url: proxy.url) {
      let place = UnderFileSystemURI(scheme: .s3, authority: bucket.name, path: "")
      $0.sharedPages = SharedPages(of: place, on: $0, places: [place])
    }
  }

  private func secrets(_ accessKey: String) -> VolumeSecrets {
    VolumeSecrets(["s3a.accessKeyId": accessKey, "s3a.secretKey": TestBucket.secretKey])
  }

  /// Reads it through the mount, without the kernel's pages. - Returns: nil where it cannot be read.
  private func read(_ request: MountRequest, _ name: String = "file") async throws -> [UInt8]? {
    let path = "\(request.mountPoint)/\(name)"
    return try await OwnThread.run {
      let file = try Descriptor.open(path, O_RDONLY | Descriptor.directIOFlag)
      do throws(Errno) { return try file.readToEnd(limit: Self.size + 1) } catch {
        #expect(error == .permissionDenied)
        return nil
      }
    }
  }

  /// Until all of the file is in the folder, as the volume sees it.
  private func untilCached(_ request: MountRequest) async throws {
    let path = "\(request.mountPoint)/file"
    try await OwnThread.run {
      let limit = Deadline.after(.patient)
      let file = try Descriptor.open(path, O_RDONLY)
      while try file.extendedAttribute(Array("user.alluxio.cached".utf8) + [0]) != Array("\(Self.size)".utf8) {
        guard !limit.hasPassed else { throw Errno.timedOut }
        sched_yield()
      }
    }
  }

  /// Bytes of the file that were asked for since the proxy's log was emptied.
  private func fetched() throws -> Int {
    try proxy.log().requests.filter { $0.method == "GET" && $0.target.hasPrefix("/bucket/file") }.reduce(0) {
      guard let bounds = $1.range?.dropFirst("bytes=".count).split(separator: "-"), bounds.count == 2,
        let first = Int(bounds[0]), let last = Int(bounds[1])
      else { return $0 + Self.size }
      return $0 + last - first + 1
    }
  }

  @Test("whose key may list an object and not read it reads nothing of what another volume has cached")
  func refused() async throws {
    try await RunningMounter.use { mounter in
      let (first, second) = (try request("first", mounter), try request("second", mounter))
      _ = try await mounter.mount(first, secrets: TestBucket.secrets)
      _ = try await mounter.mount(second, secrets: secrets(Self.otherKey))
      #expect(try await read(first) == content)
      try await untilCached(second)
      try proxy.inject(.error(403, "AccessDenied").on(method: "GET", path: "^/bucket/file", count: 0).by(Self.otherKey))
      #expect(try await OwnThread.run { try DirectoryNames.list(second.mountPoint) } == ["file"])
      #expect(try await read(second) == nil)
      #expect(try await read(first) == content)
      // Once it may, it has shown so by the first bytes, and has the rest from the folder.
      try proxy.clear()
      try proxy.forget()
      #expect(try await read(second) == content)
      #expect(try fetched() <= 1 << 20)
      // The next worker has to show it again.
      try await mounter.replaceWorker(second)
      try proxy.inject(.error(403, "AccessDenied").on(method: "GET", path: "^/bucket/file", count: 0).by(Self.otherKey))
      #expect(try await read(second) == nil)
      try proxy.clear()
    }
  }

  @Test("two that read one file at once ask for its pages once, and one that is killed leaves none behind")
  func atOnce() async throws {
    try await RunningMounter.use { mounter in
      let requests = [try request("first", mounter), try request("second", mounter)]
      for request in requests { _ = try await mounter.mount(request, secrets: TestBucket.secrets) }
      async let one = read(requests[0])
      async let other = read(requests[1])
      #expect(try await one == content)
      #expect(try await other == content)
      // The first bytes each asks for itself, and on a busy machine some wait too long.
      #expect(try fetched() < 2 * Self.size - Self.size / 4)
      try bucket.put("next", content.reversed())
      try proxy.inject(.stall(until: "door").on(method: "GET", path: "^/bucket/next", count: 1))
      let stalled = Task { try? await read(requests[0], "next") }
      try await untilAsked()
      let pid = try #require(try await mounter.mount(requests[0]).pid)
      try PidFD(pid: pid).signal(SIGKILL)
      #expect(try await read(requests[1], "next") == content.reversed())
      try proxy.release("door")
      #expect(await stalled.value == content.reversed())
    }
  }

  private func untilAsked() async throws {
    let proxy = proxy
    try await OwnThread.run {
      let limit = Deadline.after(.patient)
      while try proxy.log().requests.allSatisfy({ $0.fault == nil }) {
        guard !limit.hasPassed else { throw Errno.timedOut }
      }
    }
  }

  @Test("each worker is a user of its own, in the one group that may look into the folder")
  func identity() async throws {
    try await RunningMounter.use { mounter in
      var users: [String] = []
      let requests = [try request("first", mounter), try request("second", mounter)]
      let name = try #require(requests[0].objectStore?.sharedPages?.name)
      let folder = "\(mounter.paths.pageStore)/\(name)"
      for request in requests {
        let pid = try #require(try await mounter.mount(request, secrets: TestBucket.secrets).pid)
        #expect(try await read(request) == content)
        try await untilCached(request)
        let top = try Descriptor.open(folder, O_RDONLY | O_DIRECTORY).status()
        let pages = try Descriptor.open("\(folder)/pages", O_RDONLY | O_DIRECTORY).status()
        #expect(top.mode & 0o7777 == 0o700)
        #expect(pages.mode & 0o7777 == 0o2770)
        #expect(pages.gid == top.gid && pages.gid != 0)
        let fields = try WholeFile.text("/proc/\(pid)/status").split(separator: "\n").map(String.init)
        #expect(fields.contains { $0.split(separator: "\t") == ["Groups:", "\(top.gid) "] })
        #expect(fields.contains { $0.hasPrefix("CapEff:\t0000000000000000") })
        users.append(try #require(fields.first { $0.hasPrefix("Uid:") }))
        #expect(!users.contains { $0.contains("\t\(top.uid)\t") })
        let own = try DirectoryNames.list("\(mounter.pageFolder(request))/pages")
        #expect(own.isEmpty)
      }
      #expect(Set(users).count == 2)
      // What each made, the other may write to: evictions are everybody's.
      for inner in try DirectoryNames.list("\(folder)/pages/pages-1") {
        let path = "\(folder)/pages/pages-1/\(inner)"
        #expect(try Descriptor.open(path, O_RDONLY | O_DIRECTORY).status().mode & 0o7777 == 0o2770)
        for file in try DirectoryNames.list(path) {
          #expect(try Descriptor.open("\(path)/\(file)", O_RDONLY).status().mode & 0o7777 == 0o660)
        }
      }
      // One that shares nothing joins nobody.
      let alone = try mounter.request("alone", on: bucket)
      let pid = try #require(try await mounter.mount(alone, secrets: TestBucket.secrets).pid)
      let fields = try WholeFile.text("/proc/\(pid)/status").split(separator: "\n").map(String.init)
      #expect(fields.contains { $0.trimmingPrefix("Groups:").allSatisfy(\.isWhitespace) })
    }
  }
}
