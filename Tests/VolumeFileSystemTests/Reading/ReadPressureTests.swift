import LinuxSystem
import Synchronization
import SystemPackage
import TestSupport
import Testing
import UnderFileSystem
import VolumeModel

@testable import VolumeFileSystem

@Suite("reads that share memory", .serialized)
struct ReadPressureTests {
  private static let mib: Int64 = 1 << 20

  /// Answers ranges on threads of its own, in an order that a seed tells, with failures where it is told so.
  final class Network: Sendable {
    private let waiting = Mutex<[ScriptedFile.Call]>([])
    private let random: Mutex<SeededGenerator>
    private let failures: Double
    private let isOver = Atomic(false)
    let threadsEnded = Events<Void>()

    init(seed: UInt64, failures: Double = 0, threads: Int = 3) {
      random = Mutex(SeededGenerator(seed: seed))
      self.failures = failures
      for _ in 0..<threads { OwnThread.start { self.serve() } }
    }

    func add(_ call: ScriptedFile.Call) {
      waiting.withLock { $0.append(call) }
      semaphore.signal()
    }

    private let semaphore = Semaphore()

    private func serve() {
      while true {
        semaphore.wait()
        if isOver.load(ordering: .sequentiallyConsistent) { break }
        let (place, fails) = random.withLock { (Int($0.next() % 1000), Double($0.next() % 1000) < failures * 1000) }
        guard let call = waiting.withLock({ $0.isEmpty ? nil : $0.remove(at: place % $0.count) }) else { continue }
        if call.isCancelled {
          call.finish(.canceled)
        } else if fails {
          call.send(Int64(place) * 100)
          call.finish(.connectionReset)
        } else {
          call.complete()
        }
      }
      threadsEnded.add(())
    }

    func end() {
      isOver.store(true, ordering: .sequentiallyConsistent)
      for _ in 0..<3 { semaphore.signal() }
      threadsEnded.wait(for: 3)
      for call in waiting.withLock({ $0 }) { call.finish(.canceled) }
    }
  }

  /// Whether a read's answer is right; an injected failure is.
  private func check(_ source: ScriptedFile, _ file: any OpenFile, _ count: Int, at offset: Int64) -> Bool {
    do throws(Errno) {
      let bytes = try file.bytes(count, at: offset)
      return bytes.count == min(count, Int(max(0, source.contentVersion.size - offset)))
        && source.has(bytes, at: offset)
    } catch {
      return error == .connectionReset
    }
  }

  @Test(
    "random and sequential readers of many files: every byte is right and memory stays within its budget",
    arguments: [(1, 0.0, false), (2, 0.05, false), (3, 0.0, true), (4, 0.05, true)])
  func model(seed: UInt64, failures: Double, hasCache: Bool) async throws {
    let cache = PagesInMemory(pageSize: 256 << 10)
    let scene = try ReadingScene(budget: 3 << 20, pageSize: 256 << 10, cache: hasCache ? cache : nil)
    let network = Network(seed: seed, failures: failures)
    let sizes: [Int64] = [5000, 300_000, 3 * Self.mib + 17, 20 * Self.mib + 1]
    let sources = sizes.enumerated().map { index, size in
      ScriptedFile(size: size, path: "\(index)", seed: UInt64(index + 1)) { network.add($0) }
    }
    let wrong = Events<Int64>()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for reader in 0..<8 {
        group.addTask {
          try await OwnThread.run {
            var random = SeededGenerator(seed: seed &* 1000 &+ UInt64(reader))
            for _ in 0..<12 {
              let source = sources[Int(random.next() % UInt64(sources.count))]
              let file = scene.open(source)
              var offset = Int64(random.next() % UInt64(source.contentVersion.size))
              let isSequential = random.next() % 2 == 0
              if isSequential { offset = 0 }
              for _ in 0..<20 {
                let count = [4096, 100, 128 << 10, 1 << 20, 300_000][Int(random.next() % 5)]
                if !check(source, file, count, at: offset) { wrong.add(offset) }
                offset =
                  isSequential ? offset + Int64(count) : Int64(random.next() % UInt64(source.contentVersion.size))
                if hasCache, random.next() % 50 == 0 { cache.forget() }
              }
            }
          }
        }
      }
      try await group.waitForAll()
    }
    network.end()
    #expect(wrong.all.isEmpty)
    let use = scene.pool.use
    #expect(use.peak <= scene.pool.budget && use.now == 0)
    #expect(use.resident <= scene.pool.budget)
    #expect(try scene.pool.memory.residentBytes() <= scene.pool.budget)
    scene.pool.trim()
    #expect(try scene.pool.memory.residentBytes() == 0)
  }

  @Test("a thousand open files share a pool of 4 MiB")
  func manyFiles() async throws {
    let scene = try ReadingScene(budget: 4 << 20)
    let network = Network(seed: 7)
    let sources = (0..<1000).map { index in
      ScriptedFile(size: 30 * Self.mib, path: "\(index)", seed: UInt64(index % 5 + 1)) { network.add($0) }
    }
    let files = sources.map { scene.open($0) }
    let wrong = Events<Int64>()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for reader in 0..<16 {
        group.addTask {
          try await OwnThread.run {
            for index in stride(from: reader, to: 1000, by: 16) {
              for place in 0..<3 where !check(sources[index], files[index], 128 << 10, at: Int64(place) << 17) {
                wrong.add(Int64(place))
              }
            }
          }
        }
      }
      try await group.waitForAll()
    }
    #expect(wrong.all.isEmpty)
    #expect(scene.counters.openFiles == 1000)
    #expect(scene.pool.use.peak <= 4 << 20)
    withExtendedLifetime(files) {}
    network.end()
  }

  @Test("a reader that waits for room gets what somebody else read ahead and does not need")
  func reclaims() throws {
    let scene = try ReadingScene(budget: 4 << 20)
    let source = ScriptedFile(size: 100 * Self.mib)
    let file = scene.open(source)
    // Read ahead, and then nobody reads it.
    for place in 0..<3 { _ = try file.bytes(1 << 20, at: Int64(place) * Self.mib) }
    let held = scene.pool.use.now
    #expect(held > 0)
    let calls = Events<ScriptedFile.Call>()
    let others = (0..<4).map { index in
      ScriptedFile(size: Self.mib, path: "other\(index)", seed: UInt64(index + 2)) { calls.add($0) }
    }
    let opened = others.map { scene.open($0) }
    let reads = opened.map { ReadInBackground($0, 100, at: 0) }
    calls.wait(for: 4)
    #expect(scene.pool.use.now <= 4 << 20)
    #expect(scene.counters.readAheadWasted > 0)
    scene.pool.end()
    for read in reads {
      let error = #expect(throws: Errno.self) { try read.bytes() }
      #expect(error == .leftToNextWorker)
    }
    for call in calls.all { call.finish(.canceled) }
  }

  @Test("requests that nobody waits for are cancelled when their file is closed")
  func closed() throws {
    let scene = try ReadingScene()
    let calls = Events<ScriptedFile.Call>()
    let cancelled = Events<ScriptedFile.Call>()
    let source = ScriptedFile(size: 100 * Self.mib) { call in
      if call.range.lowerBound <= Self.mib { call.complete() } else { calls.add(call) }
    } whenCancelled: {
      cancelled.add($0)
    }
    do {
      let file = scene.open(source)
      _ = try file.bytes(1 << 20, at: 0)
      _ = try file.bytes(1 << 20, at: Self.mib)
    }
    let left = calls.all
    #expect(!left.isEmpty)
    for call in left {
      #expect(call.isCancelled)
      // Bytes that come all the same are dropped.
      #expect(!call.send(4096))
    }
    #expect(cancelled.all.count == left.count)
    #expect(scene.pool.use.now == 0)
    #expect(scene.counters.openFiles == 0)
  }

  @Test("a storm of files that are opened, read in part and closed leaves nothing")
  func cancelStorm() async throws {
    let scene = try ReadingScene(budget: 4 << 20)
    let network = Network(seed: 11)
    let wrong = Events<Int64>()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for reader in 0..<8 {
        group.addTask {
          try await OwnThread.run {
            for round in 0..<60 {
              let source = ScriptedFile(size: 50 * Self.mib, path: "\(reader)-\(round)", seed: 3) { network.add($0) }
              let file = scene.open(source)
              for place in 0..<3 where !check(source, file, 64 << 10, at: Int64(place) << 16) {
                wrong.add(Int64(place))
              }
            }
          }
        }
      }
      try await group.waitForAll()
    }
    network.end()
    #expect(wrong.all.isEmpty)
    #expect(scene.pool.use.now == 0 && scene.counters.openFiles == 0)
  }

  @Test("at the worker's end readers that wait for bytes and for room leave, and what is here is served")
  func shutdown() throws {
    let scene = try ReadingScene(budget: 4 << 20)
    let calls = Events<ScriptedFile.Call>()
    let source = ScriptedFile(size: 900_000) { $0.complete() }
    let here = scene.open(source)
    _ = try here.bytes(100, at: 0)
    let others = (0..<8).map { index in ScriptedFile(size: Self.mib, path: "\(index)") { calls.add($0) } }
    let files = others.map { scene.open($0) }
    let reads = files.map { ReadInBackground($0, 1 << 20, at: 0) }
    // Three or four have room; the others wait for it.
    calls.wait(for: 3)
    scene.pool.end()
    for read in reads {
      let error = #expect(throws: Errno.self) { try read.bytes() }
      #expect(error == .leftToNextWorker)
    }
    for call in calls.all {
      #expect(call.isCancelled)
      call.finish(.canceled)
    }
    let error = #expect(throws: Errno.self) { try files[0].bytes(1, at: 0) }
    #expect(error == .leftToNextWorker)
    withExtendedLifetime(files) {}
  }

  @Test("memory that nobody reads goes back to the kernel")
  func trim() throws {
    let scene = try ReadingScene(budget: 8 << 20)
    let source = ScriptedFile(size: 100 * Self.mib)
    let file = scene.open(source)
    for place in 0..<4 { _ = try file.bytes(1 << 20, at: Int64(place) * Self.mib) }
    #expect(try scene.pool.memory.residentBytes() > 0)
    scene.pool.trim()
    #expect(try scene.pool.memory.residentBytes() == 0)
    #expect(scene.pool.use.now == 0)
    #expect(source.has(try file.bytes(1 << 20, at: 4 * Self.mib), at: 4 * Self.mib))
  }
}

/// Threads that wait for as many signals as were given.
final class Semaphore: @unchecked Sendable {
  // SAFETY (Sendable): the count is touched under the monitor alone.
  private let monitor = Monitor()
  private let changed: Condition
  private var count = 0

  init() { changed = Condition(of: monitor) }

  func signal() {
    monitor.locked {
      count += 1
      changed.signal()
    }
  }

  func wait() {
    monitor.locked {
      while count == 0 { changed.wait() }
      count -= 1
    }
  }
}
