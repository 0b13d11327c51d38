import LinuxSystem
import Synchronization
import SystemPackage
import TestSupport
import Testing

@Suite("Threads, monitors and conditions")
struct ThreadsTests {
  @Test("a thread runs its body under its name and is the one that it says")
  func identity() async throws {
    let (results, sender) = AsyncStream.makeStream(of: Bool.self)
    try DetachedThread.start(name: "a-named-thread", stackSize: 256 << 10) {
      let name = try? WholeFile.text("/proc/thread-self/comm")
      sender.yield(name == "a-named-thread\n" && DetachedThread.current == .current && ThreadID.current.wantsProcessor)
      sender.finish()
    }
    var seen: [Bool] = []
    for await result in results { seen.append(result) }
    #expect(seen == [true])
  }

  @Test("a thread that waits does not want a processor, and one that is gone neither")
  func waiting() async throws {
    var pipe = try Pipe()
    let reader = pipe.reader
    let (names, sender) = AsyncStream.makeStream(of: ThreadID.self)
    try DetachedThread.start(name: "waits", stackSize: 256 << 10) {
      sender.yield(.current)
      _ = try? reader.descriptor.read(upTo: 1)
      sender.finish()
    }
    var iterator = names.makeAsyncIterator()
    let waiter = try #require(await iterator.next())
    while waiter.wantsProcessor { await Task.yield() }
    pipe.closeWriter()
    #expect(await iterator.next() == nil)
    #expect(!waiter.wantsProcessor)
  }

  @Test("a condition wakes those that wait for it and no others, and a deadline ends a wait")
  func conditions() async throws {
    let monitor = Monitor()
    let (ours, others) = (Condition(of: monitor), Condition(of: monitor))
    let state = Mutex((woken: 0, started: 0))
    let (ends, sender) = AsyncStream.makeStream(of: Bool.self)
    for _ in 0..<3 {
      try DetachedThread.start(name: "waits", stackSize: 256 << 10) {
        let wasSignalled = monitor.locked {
          state.withLock { $0.started += 1 }
          while state.withLock({ $0.woken }) == 0 { ours.wait() }
          return true
        }
        sender.yield(wasSignalled)
      }
    }
    while state.withLock({ $0.started }) < 3 { await Task.yield() }
    monitor.locked {
      #expect(!others.wait(until: .now))
      state.withLock { $0.woken = 1 }
      ours.broadcast()
    }
    var iterator = ends.makeAsyncIterator()
    for _ in 0..<3 { #expect(await iterator.next() == true) }
  }
}
