import Glibc
import LinuxSystem
import Mounter
import SystemPackage
import TestSupport
import Testing
import VolumeModel

/// Workers that live and do not work.
@Suite("A worker that hangs", .serialized)
struct HangTests {
  @Test(
    "one that is stopped is reported, killed and followed by another, and who waited gets the answer", .requiresFuse)
  func stopped() async throws {
    try await RunningMounter.use(arguments: ["--notice-after", "0.2", "--kill-after", "0.6"]) { mounter in
      let request = try mounter.request("data")
      var events = mounter.client.events.makeAsyncIterator()
      let first = try await mounter.mount(request)
      let worker = try PidFD(pid: try #require(first.pid))
      try worker.stopAllThreads(pid: worker.pid)
      async let content = mounter.read(request)
      var concerns: [String] = []
      var second: WorkerStatus?
      while second == nil, let event = await events.next() {
        guard case .changed(let status) = event else { continue }
        if case .interrupted(let reason) = status.state { concerns.append(reason) }
        if status.state == .ready, status.pid != first.pid { second = status }
      }
      #expect(concerns.first?.contains("has not answered its mounter") == true, "\(concerns)")
      guard case .unanswering = second?.history.deaths.first?.exit else { return #expect(Bool(false)) }
      #expect(try await content == "content of data\n")
    }
  }

  @Test("one that works is left alone", .requiresFuse)
  func working() async throws {
    try await RunningMounter.use(arguments: ["--notice-after", "0.2", "--kill-after", "0.6"]) { mounter in
      let request = try mounter.request("data")
      let first = try await mounter.mount(request)
      let end = Deadline.after(.seconds(2))
      while !end.hasPassed { _ = try await mounter.read(request) }
      #expect(try await mounter.mount(request).pid == first.pid)
    }
  }
}
