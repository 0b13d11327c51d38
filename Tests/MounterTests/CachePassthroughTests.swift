import Glibc
import LinuxSystem
import Mounter
import SystemPackage
import TestSupport
import Testing
import VolumeModel

/// Files of an object store that the kernel reads from copies in the page store.
@Suite("Cached files that the kernel reads itself", .serialized, .requiresFuse)
struct CachePassthroughTests {
  private static let size = (3 << 20) + 123
  private let bucket: TestBucket
  private let content: [UInt8]

  init() throws {
    bucket = try TestBucket.moto()
    var random = SeededGenerator(seed: 11)
    content = random.bytes(count: Self.size)
    try bucket.put("file", content)
  }

  private struct Scene {
    let mounter: RunningMounter
    let request: MountRequest
    /// Runs what it is told, with the mount as `$1` and the file's bytes as `$2`.
    let shell: Application

    func run(_ line: String) async throws { #expect(try await shell.ask(line) == "ok", "\(line)") }

    /// While no thread of the worker runs, who would be asked for attributes.
    func runWithoutWorker(_ line: String) async throws {
      let worker = try PidFD(pid: try #require(try await mounter.mount(request).pid))
      try worker.stopAllThreads(pid: worker.pid)
      try await run(line)
      try worker.signal(SIGCONT)
    }

    /// Until as many files as that have a copy.
    func untilCopied(_ count: Int = 1) async throws {
      let folder = "\(mounter.pageFolder(request))/pages/whole-1"
      try await OwnThread.run {
        let limit = Deadline.after(.patient)
        while true {
          let folders = ((try? DirectoryNames.list(folder)) ?? []).filter { $0 != "new" }
          if folders.flatMap({ (try? DirectoryNames.list("\(folder)/\($0)")) ?? [] }).count == count { return }
          guard !limit.hasPassed else { throw Errno.timedOut }
          sched_yield()
        }
      }
    }
  }

  /// A mount whose file has a copy.
  private func use(_ body: (Scene) async throws -> Void) async throws {
    try await RunningMounter.use { mounter in
      var request = try mounter.request("data", on: bucket) { $0.cachePassthrough = true }
      (request.options.attributeTimeoutMilliseconds, request.options.entryTimeoutMilliseconds) = (0, 0)
      _ = try await mounter.mount(request, secrets: TestBucket.secrets)
      let copy = "\(mounter.files)/copy"
      try Descriptor.open(copy, O_WRONLY | O_CREAT, mode: 0o600).writeAll(content)
      let shell = try Application(
        "while read -r line; do eval \"$line\"; echo ok; done", [request.mountPoint, copy])
      let scene = Scene(mounter: mounter, request: request, shell: shell)
      try await scene.run("cmp \"$1/file\" \"$2\"")
      try await scene.untilCopied()
      try await body(scene)
      try await shell.end()
    }
  }

  @Test("it is read while no worker works, beside others, and after the worker's death")
  func withoutWorker() async throws {
    try await use { scene in
      try await scene.run("exec 3<\"$1/file\"")
      try await scene.runWithoutWorker("head -c 5000000 <&3 | cmp - \"$2\"")
      try await scene.run("exec 4<\"$1/file\"")
      try await scene.runWithoutWorker("head -c 5000000 <&4 | cmp - \"$2\"")
      try await scene.mounter.replaceWorker(scene.request)
      try await scene.run("exec 5<\"$1/file\"")
      try await scene.runWithoutWorker("head -c 5000000 <&5 | cmp - \"$2\"")
      try await scene.run("exec 3<&- 4<&- 5<&-")
      // From what the next worker finds on the disk.
      try await scene.run("exec 3<\"$1/file\"")
      try await scene.runWithoutWorker("head -c 5000000 <&3 | cmp - \"$2\"")
    }
  }

  @Test("what is written while others read the copy goes to the store, and who opens the file then reads that")
  func writtenBeside() async throws {
    try await use { scene in
      try await scene.run("exec 3<\"$1/file\"; printf changed > \"$1/file\"")
      #expect(try bucket.text("file") == "changed")
      try await scene.run("test \"$(cat \"$1/file\")\" = changed; printf ' again' >> \"$1/file\"")
      try await scene.mounter.replaceWorker(scene.request)
      try await scene.run("test \"$(cat \"$1/file\")\" = 'changed again'")
      #expect(try bucket.text("file") == "changed again")
      // Whoever had it open reads what he had opened.
      try await scene.run("cmp - \"$2\" <&3; exec 3<&-")
      try await scene.run("test \"$(cat \"$1/file\")\" = 'changed again'")
      try await scene.run("test \"$(stat -c %s \"$1/file\")\" = 13")
    }
  }

  @Test("a file that is truncated by its name while others read the copy is another one for those who open it then")
  func truncatedBeside() async throws {
    try await use { scene in
      try await scene.run("exec 3<\"$1/file\"; truncate -s 5 \"$1/file\"")
      try await scene.mounter.replaceWorker(scene.request)
      try await scene.run("test \"$(stat -c %s \"$1/file\")\" = 5; head -c 5 \"$2\" | cmp - \"$1/file\"")
      try await scene.run("cmp - \"$2\" <&3; exec 3<&-")
    }
  }

  @Test("an object that changes in the store is read as it is now by those who open it then")
  func changedInStore() async throws {
    try await use { scene in
      try await scene.run("exec 3<\"$1/file\"")
      try bucket.put("file", Array("other".utf8))
      try await scene.run("test \"$(cat \"$1/file\")\" = other")
      try await scene.run("mv \"$1/file\" \"$1/moved\"; test \"$(cat \"$1/moved\")\" = other")
    }
  }

  @Test("O_DIRECT, mappings and a removal beside a reader of the copy")
  func others() async throws {
    try await use { scene in
      try await scene.run("exec 3<\"$1/file\"")
      try await scene.run("dd if=\"$1/file\" bs=1000 iflag=direct status=none | cmp - \"$2\"")
      try await scene.run(
        "python3 -c 'import mmap,sys; f=open(sys.argv[1],\"rb\"); m=mmap.mmap(f.fileno(),0,prot=mmap.PROT_READ);"
          + " assert m[:]==open(sys.argv[2],\"rb\").read()' \"$1/file\" \"$2\"")
      // Who maps it for writing does not write to the copy.
      try await scene.run(
        "python3 -c 'import mmap,sys; f=open(sys.argv[1],\"r+b\"); m=mmap.mmap(f.fileno(),0); m[:3]=b\"new\";"
          + " m.flush()' \"$1/file\"; head -c 5000000 <&3 | cmp - \"$2\"")
      try await scene.run("rm \"$1/file\"; test ! -e \"$1/file\"; exec 3<&-; printf new > \"$1/file\"")
      try await scene.run("test \"$(cat \"$1/file\")\" = new")
    }
  }

  @Test("the mounter registers what the worker has made in its folder, and nothing else that it can name")
  func othersFiles() throws {
    let folder = try TemporaryDirectory("pages")
    chown(folder.path, 4711, 4711)
    func refuses(_ name: String) throws -> Bool {
      let file = try Descriptor.open(name.first == "/" ? name : folder.appending(name), O_RDONLY)
      do throws(Errno) { try PageCopy.check(file, of: try Descriptor.open(folder.path, O_RDONLY | O_DIRECTORY)) } catch
      {
        #expect(error == .notPermitted)
        return true
      }
      return false
    }
    try folder.write("x", to: "own")
    chown(folder.appending("own"), 4711, 4711)
    #expect(try !refuses("own"))
    try folder.write("x", to: "root")
    #expect(try refuses("root"))
    #expect(try refuses("/etc/passwd"))
    #expect(try refuses("/proc/self/status"))
    #expect(try refuses(folder.path))
    #expect(link(folder.appending("own"), folder.appending("second")) == 0)
    #expect(try refuses("own"))
  }

  @Test("nothing is copied for a volume that does not ask for it, and its copies from before go")
  func notAsked() async throws {
    try await use { scene in
      try await scene.mounter.unmount(scene.request)
      var request = scene.request
      request.objectStore?.cachePassthrough = false
      _ = try await scene.mounter.mount(request, secrets: TestBucket.secrets)
      try await scene.run("cmp \"$1/file\" \"$2\"")
      let folder = "\(scene.mounter.pageFolder(request))/pages"
      try await OwnThread.run { try Waiting.untilFolder(folder) { access("\(folder)/whole-1", F_OK) != 0 } }
    }
  }
}
