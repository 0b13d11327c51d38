import Glibc
import LinuxSystem
import SystemPackage
import TestSupport
import Testing

@Suite("Starting programs")
struct SpawnTests {
  /// Runs a shell script with its output in a pipe; descriptors beyond are the caller's.
  private func output(
    _ script: String, environment: [String] = [], configure: (inout Spawn) -> Void = { _ in }
  ) throws -> (text: String, status: ProcessExit) {
    var pipe = try Pipe()
    var spawn = Spawn(executable: "/bin/sh", arguments: ["sh", "-c", script], environment: environment)
    spawn.descriptors[1] = pipe.writerNumber
    configure(&spawn)
    let child = try spawn.start()
    pipe.closeWriter()
    let text = String(decoding: try pipe.reader.descriptor.readToEnd(), as: UTF8.self)
    return (text, try child.wait())
  }

  @Test("the exit code is told")
  func exitCode() throws {
    #expect(try output("exit 3").status == .exited(code: 3))
    #expect(try output("true").status.isSuccess)
  }

  @Test("the signal that ended it is told")
  func signal() throws {
    #expect(try output("kill -9 $$").status == .signalled(signal: SIGKILL, dumpedCore: false))
  }

  @Test("the environment holds what was given and nothing of ours")
  func environment() throws {
    #expect(
      try output("echo $A; env | grep -v ^_= | grep -v ^PWD= | sort", environment: ["A=1 2", "B=\u{e9}"]).text
        == "1 2\nA=1 2\nB=\u{e9}\n")
  }

  @Test("arguments arrive as they are, empty and with blanks")
  func arguments() throws {
    var spawn = Spawn(
      executable: "/bin/sh", arguments: ["sh", "-c", #"[ "$#" = 2 ] && [ "$1" = "" ] && [ "$2" = "a  b" ]"#, "x"])
    spawn.arguments += ["", "a  b"]
    #expect(try spawn.start().wait().isSuccess)
  }

  @Test("the child has no descriptors but its own, also when some of ours lack CLOEXEC")
  func closedDescriptors() throws {
    let leaky = Descriptor(adopting: try Syscall.once { Glibc.open("/dev/null", O_RDONLY) })
    let number = leaky.rawValue
    #expect(number > 2)
    #expect(try output("ls /proc/self/fd | tr '\\n' ' '").text == "0 1 2 3 ", "3 is the listed folder")
    let text = try output("ls /proc/self/fd | tr '\\n' ' '") { $0.descriptors[12] = number }.text
    #expect(text == "0 1 12 2 3 ")
  }

  @Test("descriptors can change places")
  func swappedDescriptors() throws {
    // Our numbers are used as the child's numbers of the other.
    let a = try Memfd.sealed(name: "a", bytes: Array("a".utf8))
    let b = try Memfd.sealed(name: "b", bytes: Array("b".utf8))
    let (first, second) = (a.rawValue, b.rawValue)
    let text = try output("readlink /proc/self/fd/\(first) /proc/self/fd/\(second)") {
      $0.descriptors[first] = second
      $0.descriptors[second] = first
    }.text
    #expect(text == "/memfd:b (deleted)\n/memfd:a (deleted)\n")
  }

  @Test("standard input is empty unless it is given")
  func standardInput() throws {
    #expect(try output("cat; readlink /proc/self/fd/0").text == "/dev/null\n")
  }

  @Test("a descriptor that is not open is refused and nothing is started")
  func badDescriptor() throws {
    var spawn = Spawn(executable: "/bin/true", arguments: ["true"])
    spawn.descriptors[5] = 999_999
    #expect(throws: Errno.badFileDescriptor) { _ = try spawn.start() }
  }

  @Test("a program that is absent, is no program, or may not be run is an error at once")
  func absent() throws {
    let folder = try TemporaryDirectory("spawn")
    let plain = try folder.write("text", to: "plain", mode: 0o644)
    #expect(throws: Errno.noSuchFileOrDirectory) {
      _ = try Spawn(executable: folder.appending("absent"), arguments: ["x"]).start()
    }
    #expect(throws: Errno.permissionDenied) { _ = try Spawn(executable: plain, arguments: ["x"]).start() }
    let garbage = try folder.write("\u{1}\u{2}", to: "garbage", mode: 0o755)
    #expect(throws: Errno.execFormatError) { _ = try Spawn(executable: garbage, arguments: ["x"]).start() }
  }

  @Test("texts with a NUL are refused", arguments: ["argument", "environment", "executable"])
  func nul(place: String) {
    var spawn = Spawn(executable: "/bin/true", arguments: ["true"])
    switch place {
    case "argument": spawn.arguments.append("a\0b")
    case "environment": spawn.environment.append("A=\0")
    default: spawn.executable = "/bin/true\0"
    }
    #expect(throws: Errno.invalidArgument) { _ = try spawn.start() }
  }

  @Test("the child works where it was told, in a session of its own")
  func sessionAndFolder() throws {
    let folder = try TemporaryDirectory("spawn")
    let text = try output("pwd; cut -d' ' -f1,6 /proc/$$/stat") {
      $0.workingDirectory = folder.path
      $0.newSession = true
    }.text.split(separator: "\n")
    #expect(text.first.map(String.init) == folder.path)
    let numbers = try #require(text.last).split(separator: " ")
    #expect(numbers.count == 2 && numbers[0] == numbers[1], "pid and session are the same")
  }

  @Test("signals that are blocked or ignored here are neither in the child")
  func signals() async throws {
    let text = try await OwnThread.run { () throws in
      try SignalMask.block([SIGTERM, SIGCHLD, SIGUSR1])
      return try output("grep -E 'Sig(Blk|Ign)' /proc/self/status").text
    }
    // glibc keeps its own two, 32 and 33, ignored.
    #expect(text == "SigBlk:\t0000000000000000\nSigIgn:\t0000000180000000\n")
  }
}
