import Glibc
import LinuxSystem
import SystemPackage
import TestSupport
import Testing

@Suite("Events")
struct EventTests {
  @Test("epoll reports what is ready, by its token, and nothing after removal")
  func epoll() throws {
    let epoll = try Epoll()
    let (a, b) = (try EventFD(), try EventFD())
    try epoll.add(a.rawValue, token: .max)
    try epoll.add(b.rawValue, token: 7)
    #expect(try epoll.wait(milliseconds: 0).isEmpty)
    a.signal()
    #expect(try epoll.wait() == [Epoll.Event(token: .max, events: .readable)])
    b.signal()
    #expect(Set(try epoll.wait().map(\.token)) == [.max, 7])
    try a.take()
    try epoll.remove(b.rawValue)
    #expect(try epoll.wait(milliseconds: 0).isEmpty)
  }

  @Test("epoll changes what it waits for, and a one-shot reports once")
  func modify() throws {
    let epoll = try Epoll()
    let event = try EventFD()
    event.signal()
    try epoll.add(event.rawValue, token: 1, events: [])
    #expect(try epoll.wait(milliseconds: 0).isEmpty)
    try epoll.modify(event.rawValue, token: 2, events: [.readable, .oneShot])
    #expect(try epoll.wait().map(\.token) == [2])
    #expect(try epoll.wait(milliseconds: 0).isEmpty)
    #expect(throws: Errno.fileExists) { try epoll.add(event.rawValue, token: 1) }
    #expect(throws: Errno.badFileDescriptor) { try epoll.add(-1, token: 1) }
  }

  @Test("more events than asked for come with the next wait")
  func maximum() throws {
    let epoll = try Epoll()
    let events = try (0..<10).map { _ in try EventFD() }
    for (index, event) in events.enumerated() {
      try epoll.add(event.rawValue, token: UInt64(index), events: [.readable, .edgeTriggered])
      event.signal()
    }
    var seen: Set<UInt64> = []
    while seen.count < 10 { seen.formUnion(try epoll.wait(maximum: 3).map(\.token)) }
    #expect(seen == Set(0..<10))
  }

  @Test("an eventfd counts its signals and is empty after they were taken")
  func eventFD() throws {
    let event = try EventFD()
    #expect(try event.take() == 0)
    event.signal()
    event.signal()
    #expect(try event.descriptor.isReadable())
    #expect(try event.take() == 2)
    #expect(try !event.descriptor.isReadable())
  }

  @Test("a signal that is blocked becomes a readable event")
  func signalFD() async throws {
    try await OwnThread.run { () throws in
      let signals = try SignalFD([SIGUSR1, SIGUSR2])
      #expect(try signals.next() == nil)
      // To this thread only: other threads of the test run do not block it.
      pthread_kill(pthread_self(), SIGUSR2)
      try Waiting.untilReadable(signals.descriptor)
      #expect(try signals.next()?.number == SIGUSR2)
      #expect(try signals.next() == nil)
    }
  }

  @Test("a timer expires once, and not when it was disarmed")
  func timer() throws {
    let timer = try TimerFD()
    try timer.arm(after: .milliseconds(1))
    try Waiting.untilReadable(timer.descriptor)
    #expect(try timer.takeExpiry())
    #expect(try !timer.takeExpiry())
    try timer.arm(after: .seconds(-1))
    try Waiting.untilReadable(timer.descriptor)
    try timer.disarm()
    #expect(try !timer.descriptor.isReadable())
    try timer.arm(after: .seconds(3600))
    #expect(try !timer.takeExpiry())
  }

  @Test("waiting on a descriptor ends at its limit, and at once when the other side closes")
  func poll() throws {
    var pipe = try Pipe()
    #expect(try !pipe.reader.descriptor.isReadable(within: 1))
    #expect(try pipe.writer?.descriptor.isWritable() == true)
    pipe.closeWriter()
    #expect(try pipe.reader.descriptor.isReadable(within: -1))
    #expect(try pipe.reader.descriptor.read(upTo: 1).isEmpty)
  }
}
