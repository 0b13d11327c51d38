import Glibc
import LinuxSystem
import SystemPackage
import TestSupport
import Testing

@Suite("A process by its descriptor")
struct PidFDTests {
  /// A child that lives until it is signalled or its input closes.
  private func cat() throws -> (child: PidFD, input: SharedDescriptor?) {
    let pipe = try Pipe()
    var spawn = Spawn(executable: "/bin/cat", arguments: ["cat"])
    spawn.descriptors[0] = pipe.reader.rawValue
    return (try spawn.start(), pipe.writer)
  }

  @Test("it becomes readable when the process ends, before it is reaped")
  func readable() throws {
    let (child, input) = try cat()
    #expect(try !child.hasEnded())
    #expect(try child.waitIfEnded() == nil)
    try child.signal(SIGTERM)
    try Waiting.untilReadable(child.descriptor)
    #expect(try child.waitIfEnded() == .signalled(signal: SIGTERM, dumpedCore: false))
    #expect(throws: Errno.noChildProcess) { try child.waitIfEnded() }
    #expect(throws: Errno.noSuchProcess) { try child.signal(0) }
    #expect(input != nil)
  }

  @Test("epoll reports the end of a process")
  func epoll() throws {
    let (child, input) = try cat()
    let epoll = try Epoll()
    try epoll.add(child.rawValue, token: 4)
    #expect(try epoll.wait(milliseconds: 0).isEmpty)
    try child.signal(SIGKILL)
    #expect(try epoll.wait(milliseconds: Waiting.limit).map(\.token) == [4])
    #expect(try child.wait() == .signalled(signal: SIGKILL, dumpedCore: false))
    #expect(input != nil)
  }

  @Test("a process that is no child can be watched but not waited for")
  func noChild() throws {
    let parent = try PidFD(pid: getppid())
    #expect(try !parent.hasEnded())
    #expect(throws: Errno.noChildProcess) { try parent.waitIfEnded() }
  }

  @Test("a process that does not exist cannot be opened")
  func absent() {
    #expect(throws: Errno.noSuchProcess) { _ = try PidFD(pid: 0x3FFF_FFFF) }
  }

  @Test("a descriptor of an ended process never means its number's next owner")
  func reuse() throws {
    let (child, input) = try cat()
    try child.signal(SIGKILL)
    _ = try child.wait()
    for _ in 0..<20 { _ = try Spawn(executable: "/bin/true", arguments: ["true"]).start().wait() }
    #expect(throws: Errno.noSuchProcess) { try child.signal(0) }
    #expect(input != nil)
  }

  @Test("exit statuses read well")
  func descriptions() {
    #expect("\(ProcessExit.exited(code: 3))" == "exited with code 3")
    #expect("\(ProcessExit.signalled(signal: 9, dumpedCore: false))" == "was killed by signal 9")
    #expect("\(ProcessExit.signalled(signal: 11, dumpedCore: true))" == "was killed by signal 11 (core dumped)")
    #expect(!ProcessExit.exited(code: 1).isSuccess)
  }
}

@Suite("What /proc tells of a process")
struct ProcessStatusTests {
  @Test("this process sees itself")
  func own() throws {
    let status = try ProcessStatus()
    #expect(status.parent == getppid())
    #expect(status.effectiveUserID == geteuid())
    #expect(status.effectiveGroupID == getegid())
    #expect(status.residentBytes > status.anonymousBytes)
    #expect(status.anonymousBytes > 0)
    #expect(status.threads >= 1)
    #expect("RSD".contains(status.state))
  }

  @Test("a status file is read field by field, a name with colons and groups included")
  func parsing() throws {
    let text = """
      Name:\ta: b
      Umask:\t0022
      State:\tD (disk sleep)
      PPid:\t77
      Uid:\t1\t2\t3\t4
      Gid:\t5\t6\t7\t8
      Groups:\t10 20 30\u{20}
      CapEff:\t0000000000000013
      VmRSS:\t     100 kB
      RssAnon:\t      40 kB
      Threads:\t9
      """
    let status = try #require(ProcessStatus(parsing: text))
    #expect(status.name == "a: b")
    #expect(status.state == "D")
    #expect(status.parent == 77)
    #expect(status.effectiveUserID == 2)
    #expect(status.effectiveGroupID == 6)
    #expect(status.fileUserID == 4)
    #expect(status.fileGroupID == 8)
    #expect(status.effectiveCapabilities == [.fileSetID, .dacOverride, Capabilities(rawValue: 1)])
    #expect(status.groups == [10, 20, 30])
    #expect(status.residentBytes == 102_400)
    #expect(status.anonymousBytes == 40_960)
    #expect(status.threads == 9)
    #expect(ProcessStatus(parsing: "Name:\tx\n") == nil)
    #expect(ProcessStatus(parsing: "") == nil)
  }

  @Test("a stopped and an ended child are told apart, and it is listed until it is reaped")
  func states() throws {
    let child = try Spawn(executable: "/bin/sh", arguments: ["sh", "-c", "kill -STOP $$"]).start()
    let epoll = try Epoll()
    try epoll.add(child.rawValue, token: 0)
    // A stop is no event of a pidfd; the parent learns of it by waitid.
    var info = siginfo_t()
    try Syscall.retrying { waitid(P_PID, id_t(child.pid), &info, WSTOPPED | WNOWAIT) }
    #expect(try ProcessStatus(pid: child.pid).state == "T")
    #expect(try ProcessTable.children().contains(child.pid))
    try child.signal(SIGKILL)
    try Waiting.untilReadable(child.descriptor)
    #expect(try ProcessStatus(pid: child.pid).state == "Z")
    _ = try child.wait()
    #expect(throws: Errno.self) { _ = try ProcessStatus(pid: child.pid) }
    #expect(try !ProcessTable.children().contains(child.pid))
  }

  @Test("the processes include this one and the first")
  func table() throws {
    let pids = try ProcessTable.pids()
    #expect(pids.contains(getpid()))
    #expect(pids == pids.sorted())
  }
}
