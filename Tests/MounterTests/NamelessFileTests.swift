import Glibc
import LinuxSystem
import SystemPackage
import TestSupport
import Testing
import VolumeModel

@testable import Mounter

@Suite("Files that lose their name while they are open", .serialized)
struct NamelessFileTests {
  @Test(
    "they are read and written on after each death of a worker, and their space is free when they are closed",
    .requiresFuse)
  func kills() async throws {
    try await RunningMounter.use { mounter in
      let request = try mounter.request("data")
      var status = try await mounter.mount(request)
      let application = try Application(
        """
        cd "$1"; mkdir gone; exec 3<>unlinked 4<>replaced 5>>log
        echo begun >&3; echo begun >&4; rm unlinked; echo other >new; mv new replaced
        cd gone; rmdir "$1/gone"
        while read -r word; do
          echo "$word" >&3; echo "$word" >&4; echo "$word" >>/proc/self/fd/5
          echo "$(cat /proc/self/fd/3 | tr '\\n' ' ')$(tail -n 1 /proc/self/fd/4) $(stat -c %h . /proc/self/fd/3 -L | tr '\\n' ' ')"
        done
        """, [request.mountPoint])
      var words = "begun "
      for round in 1...3 {
        words += "word\(round) "
        #expect(try await application.ask("word\(round)") == "\(words)word\(round) 0 0 ")
        status = try await RestartTests.replaceWorker(mounter, request, status)
      }
      let beneath = "\(mounter.files)/data"
      #expect(try DirectoryNames.list(beneath).sorted() == ["file", "log", "replaced"])
      #expect(try WholeFile.text("\(beneath)/replaced") == "other\n")
      let held: @Sendable () throws -> [String] = { try Self.deleted(by: mounter, beneath) }
      #expect(try held().count == 3)
      try await application.end()
      // What an application closes is released a moment after close(2) has returned.
      try await OwnThread.run {
        let limit = Deadline.after(.patient)
        while try !held().isEmpty {
          guard !limit.hasPassed else { throw Errno.timedOut }
          sched_yield()
        }
      }
    }
  }

  /// What the mounter holds of files beneath the folder that have no name.
  private static func deleted(by mounter: RunningMounter, _ folder: String) throws -> [String] {
    let pid = try mounter.process().pid
    let links = try DirectoryNames.list("/proc/\(pid)/fd").compactMap { name in
      (try? SymbolicLink.read("/proc/\(pid)/fd/\(name)")).map { String(decoding: $0, as: UTF8.self) }
    }
    return links.filter { $0.hasPrefix(folder) && $0.hasSuffix("(deleted)") }
  }

  @Test("a volume holds a bounded number of them, and what does not fit changes nothing")
  func bound() throws {
    var held = HeldDescriptors()
    let null = SharedDescriptor(try Descriptor.open("/dev/null", O_RDONLY))
    for node in 0..<HeldDescriptors.maximum { #expect(held.apply(.held(UInt64(node), null)).isDone) }
    #expect(!held.apply(.held(.max, null)).isDone)
    #expect(held.byNode.count == HeldDescriptors.maximum && held.byNode[.max] == nil)
    #expect(held.apply(.held(3, null)).dropped === null)
    #expect(held.apply(.released(3)).dropped === null)
    #expect(held.apply(.released(3)).dropped == nil)
    #expect(held.apply(.held(.max, null)).isDone)
  }
}
