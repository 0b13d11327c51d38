import Glibc
@testable import LinuxSystem
import Synchronization
import SystemPackage
import TestSupport
import Testing

@Suite("Calls that may never return")
struct BlockingCallTests {
  /// A FIFO: opening it for reading returns only when somebody opens it for writing.
  private struct Fifo {
    let folder: TemporaryDirectory
    let path: String

    init() throws {
      folder = try TemporaryDirectory("fifo")
      let path = folder.appending("fifo")
      try Syscall.once { mkfifo(path, 0o600) }
      self.path = path
    }

    /// Lets every reader that waits in open(2) go on.
    func release() throws -> Descriptor { try Descriptor.open(path, O_RDWR | O_NONBLOCK) }
  }

  /// Whether a call was begun before its deadline passed.
  private final class Entry: Sendable {
    let isMade = Atomic(false)
    func make() { isMade.store(true, ordering: .releasing) }
    var wasMade: Bool { isMade.load(ordering: .acquiring) }
  }

  /// Misses a deadline in open(2) of the FIFO. On a busy machine the deadline may pass before the call is begun, which
  /// then is never made: another is tried.
  private func missDeadline(
    name: String, fifo: Fifo, threads: BlockingThreads, whenLate: @escaping @Sendable () -> Void
  ) async {
    let path = fifo.path
    for attempt in 1... {
      let entry = Entry()
      await #expect(throws: BlockingCallError.deadlineExceeded(name: name)) {
        _ = try await BlockingCall.run(
          name: name, deadline: .after(.milliseconds(5 * attempt)), threads: threads,
          whenLate: { (_: SharedDescriptor) in whenLate() }
        ) { () throws(Errno) in
          entry.make()
          return SharedDescriptor(try Descriptor.open(path, O_RDONLY))
        }
      }
      if entry.wasMade { return }
    }
  }

  /// How many calls run, and ran at once at most.
  private final class Calls: Sendable {
    let running = Atomic(0)
    let most = Atomic(0)
  }

  @Test("a value comes back")
  func value() async throws {
    let value = try await BlockingCall.run(name: "add", deadline: .after(.seconds(60))) { () throws(Errno) in 1 + 1 }
    #expect(value == 2)
  }

  @Test("an error comes back with the name of what was done")
  func error() async {
    await #expect(throws: BlockingCallError.failed(name: "open x", .noSuchFileOrDirectory)) {
      try await BlockingCall.run(name: "open x", deadline: .never) { () throws(Errno) in
        SharedDescriptor(try Descriptor.open("/nonexistent", O_RDONLY))
      }
    }
    #expect(
      "\(BlockingCallError.failed(name: "open x", .noSuchFileOrDirectory))" == "open x: No such file or directory")
  }

  @Test("an open of a FIFO that nobody writes misses its deadline, and its late result is handed over")
  func deadline() async throws {
    let fifo = try Fifo()
    let threads = BlockingThreads(maximumRunning: 1, maximumAbandoned: 2)
    let (late, signal) = AsyncStream<Bool>.makeStream()
    await missDeadline(name: "open", fifo: fifo, threads: threads) { signal.yield(true) }
    #expect(threads.abandonedCount == 1)
    // The place of the abandoned thread is free.
    #expect(try await BlockingCall.run(name: "next", deadline: .never, threads: threads) { () throws(Errno) in 7 } == 7)
    let writer = try fifo.release()
    let isLate = await late.first { _ in true }
    #expect(isLate == true)
    #expect(writer.rawValue >= 0)
  }

  @Test("a deadline that has passed is missed also by a call that waits in line, and that call is never made")
  func lineAtDeadline() async throws {
    let fifo = try Fifo()
    let threads = BlockingThreads(maximumRunning: 1, maximumAbandoned: 2)
    let path = fifo.path
    let (entered, enter) = AsyncStream<Void>.makeStream()
    async let first = BlockingCall.run(name: "first", deadline: .never, threads: threads) { () throws(Errno) in
      enter.finish()
      return SharedDescriptor(try Descriptor.open(path, O_RDONLY))
    }
    for await _ in entered {}
    let made = Atomic(false)
    await #expect(throws: BlockingCallError.deadlineExceeded(name: "second")) {
      try await BlockingCall.run(name: "second", deadline: .after(.milliseconds(20)), threads: threads) {
        () throws(Errno) in made.store(true, ordering: .relaxed)
      }
    }
    #expect(threads.abandonedCount == 0)
    let writer = try fifo.release()
    _ = try await first
    try await BlockingCall.run(name: "third", deadline: .never, threads: threads) { () throws(Errno) in }
    let wasMade = made.load(ordering: .relaxed)
    #expect(!wasMade)
    #expect(writer.rawValue >= 0)
  }

  @Test("with too many calls hanging, further ones are refused until some return")
  func bounded() async throws {
    let fifo = try Fifo()
    let threads = BlockingThreads(maximumRunning: 4, maximumAbandoned: 3)
    let (returned, signal) = AsyncStream<Void>.makeStream()
    for number in 0..<3 {
      await missDeadline(name: "open \(number)", fifo: fifo, threads: threads) { signal.yield() }
    }
    await #expect(throws: BlockingCallError.tooManyAbandoned(name: "more", count: 3)) {
      try await BlockingCall.run(name: "more", deadline: .never, threads: threads) { () throws(Errno) in }
    }
    let writer = try fifo.release()
    var iterator = returned.makeAsyncIterator()
    for _ in 0..<3 { await iterator.next() }
    // The last thread notes its return right after it has handed its value over.
    while threads.abandonedCount == 3 { await Task.yield() }
    try await BlockingCall.run(name: "again", deadline: .never, threads: threads) { () throws(Errno) in }
    #expect(writer.rawValue >= 0)
  }

  @Test("a cancelled task stops waiting at once")
  func cancellation() async throws {
    let fifo = try Fifo()
    let threads = BlockingThreads(maximumRunning: 1, maximumAbandoned: 2)
    let path = fifo.path
    let (entered, enter) = AsyncStream<Void>.makeStream()
    let (late, signal) = AsyncStream<Void>.makeStream()
    let task = Task {
      try await BlockingCall.run(
        name: "open", deadline: .never, threads: threads, whenLate: { (_: SharedDescriptor) in signal.finish() }
      ) { () throws(Errno) in
        enter.finish()
        return SharedDescriptor(try Descriptor.open(path, O_RDONLY))
      }
    }
    for await _ in entered {}
    task.cancel()
    let result = await task.result
    #expect(throws: BlockingCallError.cancelled(name: "open")) { _ = try result.get() }
    let writer = try fifo.release()
    for await _ in late {}
    #expect(writer.rawValue >= 0)
  }

  @Test("a task that was cancelled before makes no call")
  func cancelledBefore() async {
    let made = Atomic(false)
    let task = Task {
      withUnsafeCurrentTask { $0?.cancel() }
      try await BlockingCall.run(name: "never", deadline: .never) { () throws(Errno) in
        made.store(true, ordering: .relaxed)
      }
    }
    _ = await task.result
    let wasMade = made.load(ordering: .relaxed)
    #expect(!wasMade)
  }

  @Test("two hundred calls at once on four threads all return, and run at most four at a time")
  func many() async throws {
    let threads = BlockingThreads(maximumRunning: 4, maximumAbandoned: 1)
    let calls = Calls()
    let sum = try await withThrowingTaskGroup(of: Int.self) { group in
      for number in 0..<200 {
        group.addTask {
          try await BlockingCall.run(name: "call", deadline: .never, threads: threads) { () throws(Errno) in
            calls.most.max(calls.running.add(1, ordering: .relaxed).newValue, ordering: .relaxed)
            sched_yield()
            calls.running.subtract(1, ordering: .relaxed)
            return number
          }
        }
      }
      return try await group.reduce(0, +)
    }
    #expect(sum == 199 * 100)
    let mostAtOnce = calls.most.load(ordering: .relaxed)
    #expect(mostAtOnce <= 4)
  }

  @Test("a deadline that has passed already is missed, whatever the clock")
  func passed() async throws {
    let fifo = try Fifo()
    let threads = BlockingThreads(maximumRunning: 1, maximumAbandoned: 2)
    let path = fifo.path
    await #expect(throws: BlockingCallError.deadlineExceeded(name: "open")) {
      _ = try await BlockingCall.run(name: "open", deadline: ContinuousClock.now - .seconds(1), threads: threads) {
        () throws(Errno) in SharedDescriptor(try Descriptor.open(path, O_RDONLY))
      }
    }
    let writer = try fifo.release()
    #expect(writer.rawValue >= 0)
  }
}

@Suite("The watch over deadlines")
struct DeadlineWatchTests {
  @Test("deadlines fire in their order, whatever order they were added in") func order() async {
    let watch = DeadlineWatch()
    let (stream, fired) = AsyncStream.makeStream(of: Int.self)
    let start = Deadline.now
    for index in [3, 1, 2] {
      _ = watch.add(start.advanced(by: .milliseconds(20 * index))) { fired.yield(index) }
    }
    var order: [Int] = []
    for await index in stream {
      order.append(index)
      if order.count == 3 { break }
    }
    #expect(order == [1, 2, 3])
  }

  @Test("a cancelled deadline does not fire") func cancelled() async {
    let watch = DeadlineWatch()
    let (stream, fired) = AsyncStream.makeStream(of: String.self)
    let start = Deadline.now
    let id = watch.add(start.advanced(by: .milliseconds(10))) { fired.yield("cancelled") }
    watch.cancel(id)
    _ = watch.add(start.advanced(by: .milliseconds(30))) { fired.yield("kept") }
    for await name in stream {
      #expect(name == "kept")
      break
    }
  }

  @Test("a deadline that has passed fires at once") func passed() async {
    let watch = DeadlineWatch()
    let (stream, fired) = AsyncStream.makeStream(of: Void.self)
    _ = watch.add(Deadline(nanoseconds: 1)) { fired.yield() }
    for await _ in stream { break }
  }
}
