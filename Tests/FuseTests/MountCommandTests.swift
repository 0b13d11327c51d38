import CLinux
import Glibc
import LinuxSystem
import SystemPackage
import TestSupport
import Testing
import VolumeModel

@Suite("alluxio-fuse", .serialized)
struct MountCommandTests {
  private func run(_ arguments: String) throws -> (status: Int32, output: String) {
    try Program.shell("'\(try builtProduct("alluxio-fuse"))' \(arguments)")
  }

  @Test("a worker that no mounter has started says so and exits with 64")
  func workerByHand() throws {
    let result = try run("worker")
    #expect(result.status == 64 && result.output.contains("only alluxio-mounter starts a worker"))
  }

  @Test("help and version are given, and what is no command is refused with 64")
  func usage() throws {
    #expect(try run("--version") == (0, ProgramVersion.text))
    for arguments in ["--help", "mount --help"] {
      let help = try run(arguments)
      #expect(help.status == 0 && help.output.contains("alluxio-fuse mount SOURCE MOUNTPOINT"))
    }
    for arguments in ["", "umount", "--verbose", "mount"] { #expect(try run(arguments).status == 64) }
  }

  @Test("each problem is one sentence with what to do, and nothing stays mounted", .requiresRoot)
  func problems() throws {
    let folder = try TemporaryDirectory("problems")
    let (source, empty) = (try folder.makeDirectory("source"), try folder.makeDirectory("empty"))
    try folder.makeDirectory("source/inside")
    try folder.makeDirectory("full")
    try folder.write("x", to: "full/file")
    let cases = [
      ("file://\(folder.path)/absent \(empty)", "does not exist"),
      ("file://\(folder.path)/full/file \(empty)", "is not a directory"),
      ("file://\(source) \(folder.path)/absent", "make it with mkdir"),
      ("file://\(source) \(folder.path)/full/file", "is not a directory"),
      ("file://\(source) \(folder.path)/full", "is not empty"),
      ("file://\(source) \(source)/inside", "would show itself"),
      ("file://\(source)/../source \(empty)", "the source"),
      ("\(source) \(empty)", "file:///"),
      ("s3://bucket \(empty) -o cache=relative", "absolute path"),
      ("file://\(source) \(empty) -o uid=abc", "uid"),
      ("file://\(source) \(empty) -o attrTimeot=3", "attrTimeout"),
      ("file://\(source) \(empty) -o dev", "refused"),
      ("file://\(source) \(empty) --log-level loud", "knows no 'loud'"),
      ("file://\(source) \(empty) --log-format", "needs a value"),
      ("file://\(source) \(empty) --readonly", "knows no option '--readonly'"),
      ("file://\(source) \(empty) \(empty)", "takes no argument"),
      ("file://\(source)", "needs a source and a mount point"),
    ]
    for (arguments, expected) in cases {
      let result = try run("mount \(arguments)")
      #expect(result.status != 0 && result.output.contains(expected), "\(arguments): \(result.output)")
    }
    #expect(try MountTable.read().beneath(folder.path).isEmpty)
  }

  @Test("who is not root is told to use sudo", .requiresRoot, .requiresProgram("setpriv"))
  func notRoot() throws {
    let folder = try TemporaryDirectory("unprivileged")
    chmod(folder.path, 0o777)
    // The build folder may be closed to others: the program is copied where everybody may run it.
    let copy = folder.appending("alluxio-fuse")
    #expect(try Program.shell("cp '\(try builtProduct("alluxio-fuse"))' '\(copy)' && chmod 755 '\(copy)'").status == 0)
    let result = try Program.shell(
      "mkdir '\(folder.path)/m' && LD_LIBRARY_PATH=/opt/swift/usr/lib/swift/linux '\(copy)' mount file:///tmp '\(folder.path)/m'",
      user: (1_000, []))
    #expect(result.status == 1 && result.output.contains("sudo"), "\(result.output)")
  }

  @Test("Ctrl-C unmounts and ends with status 0", .requiresFuse, arguments: [SIGINT, SIGTERM, SIGHUP])
  func signals(_ signal: CInt) throws {
    let mounted = try MountedDirectory()
    try Files.write("x", mounted.at("f"))
    try mounted.server.signal(signal)
    #expect(try Waiting.untilEnded(mounted.server) == .exited(code: 0))
    #expect(try MountTable.read().beneath(mounted.folder.path).isEmpty)
    #expect(try Files.list(mounted.path).isEmpty && Files.read(mounted.beside("f")) == "x")
  }

  @Test("umount by somebody else ends the program with status 0", .requiresFuse)
  func unmountedOutside() throws {
    let mounted = try MountedDirectory()
    try Mount.unmount(mounted.path)
    #expect(try Waiting.untilEnded(mounted.server) == .exited(code: 0))
  }

  @Test("a mount in use ends with its last user", .requiresFuse)
  func busy() throws {
    let mounted = try MountedDirectory()
    let file = try Files.open(mounted.at("f"), O_RDWR | O_CREAT)
    try mounted.server.signal(SIGINT)
    try Waiting.untilMounts { $0.beneath(mounted.path).isEmpty }
    try Files.writeAt(file, "still served", 0)
    #expect(try Files.read(mounted.beside("f")) == "still served")
    try file.close()
    #expect(try Waiting.untilEnded(mounted.server) == .exited(code: 0))
  }

  @Test("a second signal ends a mount under its users", .requiresFuse)
  func busyTwice() throws {
    let mounted = try MountedDirectory()
    let file = try Files.open(mounted.at("f"), O_RDWR | O_CREAT)
    try mounted.server.signal(SIGINT)
    try Waiting.untilMounts { $0.beneath(mounted.path).isEmpty }
    try mounted.server.signal(SIGTERM)
    #expect(try Waiting.untilEnded(mounted.server)?.isSuccess == true)
    #expect(throws: Errno.self) { try Files.writeAt(file, "x", 0) }
  }

  @Test("an idle server has few threads, and few again after a burst", .requiresFuse)
  func threads() throws {
    let mounted = try MountedDirectory()
    func threads() throws -> Int { try DirectoryNames.list("/proc/\(mounted.server.pid)/task").count }
    // Readers, their watch, the main thread and the one that waits for signals.
    let few = 6
    #expect(try threads() <= few)
    let script =
      "for i in $(seq 40); do (dd if=/dev/zero of='\(mounted.path)/'$i bs=64k count=20 2>/dev/null; cat '\(mounted.path)/'$i > /dev/null) & done; wait"
    #expect(try Program.shell(script).status == 0)
    // Readers that are too many go when it is calm, or after their rest.
    let limit = Deadline.after(.patient)
    while try threads() > few { try #require(!limit.hasPassed) }
  }
}
