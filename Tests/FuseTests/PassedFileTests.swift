import Glibc
import LinuxSystem
import SystemPackage
import TestSupport
import Testing

/// What differs, or could, when the kernel reads and writes a file by itself. Everything else runs both ways in other
/// suites.
@Suite("Files that the kernel reads and writes itself", .requiresFuse, .requiresPassthrough)
struct PassedFileTests {
  /// A mount with a file, which is opened only afterwards.
  private func mounted(_ content: String, options: [String] = []) throws -> MountedDirectory {
    let mounted = try MountedDirectory(options)
    try Files.write(content, mounted.beside("f"), mode: 0o666)
    chmod(mounted.beside("f"), 0o666)
    return mounted
  }

  /// Whether the server has no part in a read of the file: its threads are stopped meanwhile.
  private func isPassed(_ mounted: MountedDirectory, _ name: String) async throws -> Bool {
    let reader = try Pipe()
    var output = try Pipe()
    var spawn = Spawn(
      executable: "/bin/sh",
      arguments: ["sh", "-c", "exec 5<'\(mounted.at(name))'; echo; read -r go; dd bs=1 count=1 status=none <&5"])
    spawn.descriptors = [0: reader.reader.rawValue, 1: output.writerNumber]
    let process = try spawn.start()
    output.closeWriter()
    try Waiting.untilReadable(output.reader.descriptor)
    _ = try output.reader.descriptor.read(upTo: 1)
    try mounted.server.stopAllThreads(pid: mounted.server.pid)
    try reader.writer?.descriptor.writeAll([0x0A])
    let connection = try FuseConnection(#require(try MountTable.read().visible(at: mounted.path)))
    let limit = Deadline.after(.patient)
    var isPassed: Bool?
    while isPassed == nil {
      if try output.reader.descriptor.isReadable() {
        isPassed = true
      }
      // The close of an application that has read asks the server as well, behind the byte.
      else if try connection.waiting() > 0 {
        isPassed = try output.reader.descriptor.isReadable()
      }
      guard !limit.hasPassed else { throw Errno.timedOut }
      sched_yield()
    }
    try mounted.server.signal(SIGCONT)
    _ = try await OwnThread.run { try Waiting.untilEnded(process) }
    return isPassed == true
  }

  @Test("are those that are opened, not those that are made, or have setuid, or lie where nodes have no handles")
  func which() async throws {
    let mounted = try mounted("content")
    #expect(try await isPassed(mounted, "f"))
    chmod(mounted.beside("f"), 0o4777)
    #expect(try await !isPassed(mounted, "f"))
    let served = try MountedDirectory([], .served)
    try Files.write("content", served.beside("f"))
    #expect(try await !isPassed(served, "f"))
  }

  @Test("what is written beside the mount is read at once, also by who has the file open, appended bytes included")
  func beside() throws {
    let mounted = try mounted("before", options: ["-o", "attrTimeout=3600"])
    let file = try Files.open(mounted.at("f"), O_RDONLY)
    #expect(try Files.readAt(file, 100, 0) == "before")
    try Files.write("behind it", mounted.beside("f"))
    #expect(try Files.readAt(file, 100, 0) == "behind it")
  }

  @Test("two that append, one of them beside the mount, lose nothing")
  func append() throws {
    let mounted = try mounted("0")
    let one = try Files.open(mounted.at("f"), O_WRONLY | O_APPEND)
    let other = try Files.open(mounted.beside("f"), O_WRONLY | O_APPEND)
    for number in 1...3 {
      try one.writeAll(Array("a\(number)".utf8))
      try other.writeAll(Array("b\(number)".utf8))
    }
    #expect(try Files.read(mounted.at("f")) == "0a1b1a2b2a3b3")
    #expect(try Files.status(mounted.at("f")).st_size == 13)
  }

  @Test("size and times are those of the last write at once")
  func attributes() throws {
    let mounted = try mounted("x", options: ["-o", "attrTimeout=3600"])
    let before = try Files.status(mounted.at("f"))
    let file = try Files.open(mounted.at("f"), O_RDWR)
    try Files.writeAt(file, "0123456789", 5)
    let (shown, beneath) = (try Files.status(mounted.at("f")), try Files.status(mounted.beside("f")))
    #expect(shown.st_size == 15 && shown.st_mtim.tv_nsec == beneath.st_mtim.tv_nsec)
    #expect(shown.st_mtim.tv_nsec != before.st_mtim.tv_nsec || shown.st_mtim.tv_sec != before.st_mtim.tv_sec)
  }

  @Test("setuid that comes while the file is open goes with the next write, also with root's")
  func setuid() throws {
    let mounted = try mounted("x")
    for opener in ["root", "stranger"] {
      let file = try Files.open(mounted.at("f"), O_WRONLY)
      try Files.changeMode(mounted.at("f"), 0o6777)
      if opener == "root" {
        try Files.writeAt(file, "y", 0)
      } else {
        #expect(try Program.shell("echo z >> '\(mounted.at("f"))'", user: (1_000, [])).status == 0)
      }
      #expect(try Files.mode(mounted.beside("f")) == 0o777, "\(opener)")
    }
  }

  @Test("a limit of the size of files holds", arguments: Way.allCases)
  func sizeLimit(_ way: Way) throws {
    let mounted = try MountedDirectory([], way)
    try Files.write("x", mounted.beside("f"))
    let script = "ulimit -f 8; trap '' XFSZ; dd if=/dev/zero of='\(mounted.at("f"))' conv=notrunc bs=1k count=20"
    let (status, output) = try Program.shell(script)
    #expect(status != 0 && output.contains("File too large"), "\(output)")
    // Units of 512 bytes or of 1024, as the shell has them.
    #expect([4_096, 8_192].contains(Int(try Files.status(mounted.beside("f")).st_size)))
  }

  @Test("a quota that is used up is EDQUOT", .requiresProgram("setpriv"), arguments: QuotaDisk.offered)
  func quota(_ kind: QuotaDisk) throws {
    let folder = try TemporaryDirectory("quota")
    let mounted = try MountedDirectory(source: try kind.mount(in: folder), in: folder)
    let script = "cd '\(mounted.path)'; : >f; dd if=/dev/zero of=f conv=notrunc bs=64k count=100"
    let (status, output) = try Program.shell("LC_ALL=C; export LC_ALL; \(script)", user: (1_000, []))
    #expect(status != 0 && output.contains("Disk quota exceeded"), "\(output)")
    #expect(try Files.status(mounted.at("f")).st_size <= QuotaDisk.limit)
  }

  @Test("an open with O_DIRECT of a file whose file system has none is EINVAL, as on that file system")
  func noDirectIO() throws {
    let mounted = try mounted("x")
    let plain = Result { try Files.open(mounted.beside("f"), O_RDONLY | Descriptor.directIOFlag).close() }
    let shown = Result { try Files.open(mounted.at("f"), O_RDONLY | Descriptor.directIOFlag).close() }
    #expect((try? plain.get()) == nil ? (try? shown.get()) == nil : (try? shown.get()) != nil)
  }
}
