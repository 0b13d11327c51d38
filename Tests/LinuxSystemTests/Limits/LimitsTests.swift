import Glibc
import LinuxSystem
import SystemPackage
import TestSupport
import Testing

@Suite("Limits and rights of a process")
struct LimitsTests {
  @Test("the limit of open files is raised towards its maximum and never lowered")
  func openFiles() async {
    await #expect(processExitsWith: .success) {
      let (_, maximum) = try ResourceLimit.openFiles()
      try ResourceLimit.setOpenFiles(current: 100, maximum: maximum)
      #expect(try ResourceLimit.raiseOpenFiles(to: 200) == 200)
      #expect(try ResourceLimit.raiseOpenFiles(to: 150) == 200)
      #expect(try ResourceLimit.raiseOpenFiles(to: .max) == maximum)
      #expect(try ResourceLimit.openFiles().current == maximum)
    }
  }

  @Test("the out-of-memory score of a child is set")
  func outOfMemoryScore() throws {
    let pipe = try Pipe()
    var spawn = Spawn(executable: "/bin/cat", arguments: ["cat"])
    spawn.descriptors[0] = pipe.reader.rawValue
    let child = try spawn.start()
    try OutOfMemoryScore.adjust(700, pid: child.pid)
    #expect(try WholeFile.text("/proc/\(child.pid)/oom_score_adj") == "700\n")
    try child.signal(SIGKILL)
    _ = try child.wait()
    #expect(pipe.writerNumber >= 0)
  }

  @Test("a thread can be named, and long names are cut")
  func threadName() async throws {
    try await OwnThread.run { () throws in
      ProcessAttributes.setThreadName("a-name-of-more-than-fifteen-bytes")
      #expect(try WholeFile.text("/proc/thread-self/comm") == "a-name-of-more-\n")
    }
  }

  @Test("effective capabilities are dropped by one thread for itself and taken back", .requiresRoot)
  func capabilities() async throws {
    try await OwnThread.run { () throws in
      let before = try Capabilities.effective()
      #expect(before.contains(.systemAdministration))
      try Capabilities.setEffective(before.subtracting(.systemAdministration))
      #expect(try Capabilities.effective() == before.subtracting(.systemAdministration))
      #expect(throws: Errno.notPermitted) {
        try Mount.mount(source: "x", target: "/", type: "tmpfs")
      }
      try Capabilities.setEffective(before)
      try Capabilities.dropAll()
      #expect(try Capabilities.effective() == [])
      #expect(throws: Errno.notPermitted) { try Capabilities.setEffective(before) }
    }
    #expect(try Capabilities.effective().contains(.systemAdministration), "other threads keep theirs")
  }

  @Test("a thread without new privileges and a process without dumps say so")
  func attributes() async {
    await #expect(processExitsWith: .success) {
      try ProcessAttributes.setNoNewPrivileges()
      #expect(try WholeFile.text("/proc/thread-self/status").contains("NoNewPrivs:\t1"))
      try ProcessAttributes.setParentDeathSignal(SIGKILL)
      try ProcessAttributes.setDumpable(false)
    }
  }

  @Test("orphans come to a subreaper and are reaped there")
  func orphans() async {
    await #expect(processExitsWith: .success) {
      try ProcessAttributes.setChildSubreaper(true)
      let input = try Pipe()
      var spawn = Spawn(executable: "/bin/sh", arguments: ["sh", "-c", "exec 3<&0; cat <&3 &"])
      spawn.descriptors[0] = input.reader.rawValue
      let parent = try spawn.start()
      #expect(try parent.wait().isSuccess)
      let orphan = try #require(try ProcessTable.children().first)
      let watched = try PidFD(pid: orphan)
      try watched.signal(SIGKILL)
      try Waiting.untilReadable(watched.descriptor)
      let reaped = try #require(try Orphans.reapOne())
      #expect(reaped.pid == orphan)
      #expect(reaped.status == .signalled(signal: SIGKILL, dumpedCore: false))
      #expect(throws: Errno.noChildProcess) { _ = try Orphans.reapOne() }
      #expect(input.writer != nil)
    }
  }
}
