import LinuxSystem
import Synchronization
import SystemPackage
import TestSupport
import Testing
import UnderFileSystem

@testable import VolumeFileSystem

@Suite("reading files over a network")
struct FileReaderTests {
  private static let mib: Int64 = 1 << 20

  /// A file whose ranges come when the test says so.
  private func held(_ size: Int64, tag: String = "1") -> (ScriptedFile, Events<ScriptedFile.Call>) {
    let calls = Events<ScriptedFile.Call>()
    return (ScriptedFile(size: size, tag: tag) { calls.add($0) }, calls)
  }

  @Test("reads are right at every edge", arguments: [64 << 10, 1 << 20])
  func edges(pageSize: Int) throws {
    let scene = try ReadingScene(pageSize: pageSize)
    let size = 5 * Self.mib + 4321
    let source = ScriptedFile(size: size)
    let file = scene.open(source)
    let page = Int64(pageSize)
    for offset in [0, 1, 4095, 16 << 10, page - 1, page, page + 1, 2 * page - 7, size - 1, size - 4321, size - page] {
      for count in [1, 100, 4096, 128 << 10, 1 << 20, 3 << 20] {
        let bytes = try file.bytes(count, at: offset)
        #expect(bytes.count == min(count, Int(size - offset)))
        #expect(source.has(bytes, at: offset), "\(count) at \(offset)")
      }
    }
    #expect(try file.bytes(10, at: size).isEmpty)
    #expect(try file.bytes(10, at: size + 1).isEmpty)
    #expect(try file.bytes(0, at: 0).isEmpty)
    let error = #expect(throws: Errno.self) { try file.bytes(1, at: -1) }
    #expect(error == .invalidArgument)
  }

  @Test("a file without bytes is read without asking for any")
  func empty() throws {
    let scene = try ReadingScene()
    let (source, calls) = held(0)
    #expect(try scene.open(source).bytes(100, at: 0).isEmpty)
    #expect(calls.all.isEmpty)
  }

  @Test("a small file is asked for once, as a whole")
  func smallFile() throws {
    let scene = try ReadingScene()
    let (source, calls) = held(300_000)
    let file = scene.open(source)
    let read = ReadInBackground(file, 4096, at: 200_000)
    #expect(calls[0].range == 0..<300_000)
    calls[0].complete()
    #expect(source.has(try read.bytes(), at: 200_000))
    #expect(source.has(try file.bytes(4096, at: 0), at: 0))
    #expect(calls.all.count == 1)
  }

  @Test("a reader is answered as soon as its own bytes are there, though its request goes on")
  func firstBytes() throws {
    let scene = try ReadingScene()
    let (source, calls) = held(100 * Self.mib)
    let file = scene.open(source)
    let read = ReadInBackground(file, 128 << 10, at: 0)
    let call = calls[0]
    #expect(call.range == 0..<Self.mib)
    call.send(128 << 10)
    #expect(source.has(try read.bytes(), at: 0))
    #expect(!call.isOver)
    call.complete()
    #expect(scene.counters.misses == 1)
  }

  @Test("two readers of one range share a request")
  func singleFlight() throws {
    let scene = try ReadingScene()
    let (source, calls) = held(100 * Self.mib)
    let file = scene.open(source)
    let first = ReadInBackground(file, 4096, at: 0)
    let call = calls[0]
    let others = (1..<8).map { ReadInBackground(file, 4096, at: Int64($0) * 16384) }
    // They may ask for more ahead, and never for the same.
    call.complete()
    #expect(source.has(try first.bytes(), at: 0))
    for (index, read) in others.enumerated() { #expect(source.has(try read.bytes(), at: Int64(index + 1) * 16384)) }
    let ranges = calls.all.map(\.range).sorted { $0.lowerBound < $1.lowerBound }
    for (left, right) in zip(ranges, ranges.dropFirst()) { #expect(left.upperBound <= right.lowerBound) }
    for call in calls.all.dropFirst() { call.complete() }
  }

  @Test("one who reads on finds bytes asked for ahead, in parallel requests")
  func sequential() throws {
    let scene = try ReadingScene()
    let source = ScriptedFile(size: 64 * Self.mib)
    let file = scene.open(source)
    for place in 0..<64 {
      let bytes = try file.bytes(1 << 20, at: Int64(place) * Self.mib)
      #expect(source.has(bytes, at: Int64(place) * Self.mib))
    }
    let counters = scene.counters
    #expect(counters.misses <= 2)
    #expect(counters.bytesFetched == 64 << 20)
    #expect(counters.readAheadWasted == 0)
    // What was read is gone, since the kernel has it.
    #expect(scene.pool.use.now == 0)
  }

  @Test("random reads ask for little")
  func random() throws {
    let scene = try ReadingScene()
    let source = ScriptedFile(size: 1000 * Self.mib)
    let file = scene.open(source)
    for place in 1..<40 {
      let offset = Int64(place) * 23 * Self.mib + Int64(place) * 4096
      #expect(source.has(try file.bytes(4096, at: offset), at: offset))
    }
    #expect(scene.counters.bytesFetched == 39 * 64 << 10)
    #expect(scene.counters.fetches == 39)
  }

  @Test("a request that fails fails those who wait for it, and nobody after them")
  func failure() throws {
    let scene = try ReadingScene()
    let (source, calls) = held(100 * Self.mib)
    let file = scene.open(source)
    let offset = 40 * Self.mib
    let first = ReadInBackground(file, 4096, at: offset)
    calls[0].send(8192)
    calls[0].finish(.connectionReset)
    let error = #expect(throws: Errno.self) { try first.bytes() }
    #expect(error == .connectionReset)
    let second = ReadInBackground(file, 4096, at: offset)
    calls[1].complete()
    #expect(source.has(try second.bytes(), at: offset))
    #expect(scene.counters.failedFetches == 1)
  }

  @Test("an answer that is too short is an error, one that is too long is cut")
  func wrongLength() throws {
    let scene = try ReadingScene()
    let short = scene.open(
      ScriptedFile(size: 10_000) { call in
        call.send(9000)
        call.finish()
      })
    let error = #expect(throws: Errno.self) { try short.bytes(10_000, at: 0) }
    #expect(error == .ioError)
    let sink = Events<Bool>()
    let source = LongAnswer(size: 10_000, goesOn: sink)
    let file = CachingFile(source, scene.parts)
    #expect(source.base.has(try file.bytes(10_000, at: 0), at: 0))
    #expect(sink.all == [false])
  }

  @Test("when the object was replaced, what is in the page store is read on and the rest is ESTALE")
  func gone() throws {
    let cache = PagesInMemory()
    let scene = try ReadingScene(cache: cache)
    let isReplaced = Atomic(false)
    let source = ScriptedFile(size: 50 * Self.mib) { call in
      if isReplaced.load(ordering: .relaxed) { call.finish(.staleNFSFileHandle) } else { call.complete() }
    }
    let file = scene.open(source)
    _ = try file.bytes(4096, at: 0)
    cache.fills.wait(for: 1)
    isReplaced.store(true, ordering: .relaxed)
    #expect(source.has(try file.bytes(1 << 20, at: 0), at: 0))
    for _ in 0..<2 {
      let error = #expect(throws: Errno.self) { try file.bytes(4096, at: 30 * Self.mib) }
      #expect(error == .staleNFSFileHandle)
    }
    // It is not asked for again.
    #expect(scene.counters.failedFetches == 1)
    #expect(source.has(try file.bytes(4096, at: 4096), at: 4096))
  }

  @Test("what was fetched is in the page store and not fetched again")
  func pageStore() throws {
    let cache = PagesInMemory()
    let scene = try ReadingScene(cache: cache)
    let source = ScriptedFile(size: 10 * Self.mib + 5)
    for _ in 0..<2 {
      let file = scene.open(source)
      for place in 0..<11 {
        let bytes = try file.bytes(1 << 20, at: Int64(place) * Self.mib)
        #expect(source.has(bytes, at: Int64(place) * Self.mib))
      }
    }
    #expect(cache.count == 11)
    #expect(scene.counters.bytesFetched == 10 << 20 + 5)
    #expect(scene.counters.bytesFromPageStore == 10 << 20 + 5)
    // One page that is gone is fetched again, alone.
    cache.forget(page: 4)
    let before = scene.counters.bytesFetched
    let file = scene.open(source)
    for place in 0..<11 { _ = try file.bytes(1 << 20, at: Int64(place) * Self.mib) }
    #expect(scene.counters.bytesFetched == before + 1 << 20)
  }

  @Test("the second random read of a page fetches the rest of it for the page store")
  func secondTouch() throws {
    let cache = PagesInMemory()
    let scene = try ReadingScene(cache: cache)
    let source = ScriptedFile(size: 100 * Self.mib)
    let file = scene.open(source)
    let page = 50 * Self.mib
    _ = try file.bytes(4096, at: page + 500_000)
    #expect(scene.counters.bytesFetched == 64 << 10)
    #expect(source.has(try file.bytes(4096, at: page + 100_000), at: page + 100_000))
    #expect(cache.fills.wait(for: 1) == [50])
    #expect(scene.counters.bytesFetched == 1 << 20)
  }

  @Test("a page store that holds on to pages delays no reader, and gets no more than its part of the memory")
  func slowPageStore() throws {
    let cache = PagesInMemory()
    cache.hold()
    let scene = try ReadingScene(budget: 8 << 20, cache: cache)
    let source = ScriptedFile(size: 64 * Self.mib)
    let file = scene.open(source)
    for place in 0..<64 {
      let bytes = try file.bytes(1 << 20, at: Int64(place) * Self.mib)
      #expect(source.has(bytes, at: Int64(place) * Self.mib))
    }
    #expect(scene.pool.use.now <= 2 << 20)
    #expect(scene.counters.fillsRefused == 62)
    cache.letGo()
    #expect(cache.count == 2)
    #expect(scene.pool.use.now == 0)
  }
}

/// A file whose answers go on past what was asked for.
final class LongAnswer: RangedFile {
  let base: ScriptedFile
  private let goesOn: Events<Bool>

  init(size: Int64, goesOn: Events<Bool>) {
    base = ScriptedFile(size: size)
    self.goesOn = goesOn
  }

  var contentVersion: ContentVersion { base.contentVersion }
  var access: FileAccess { .read }
  var ranged: (any RangedFile)? { self }

  func fetch(_ range: Range<Int64>, of version: ContentVersion, into sink: any RangeSink) -> any RangeTransfer {
    let bytes = base.content(range.lowerBound..<range.upperBound + 100)
    goesOn.add(sink.receive(bytes.span.bytes))
    sink.finish(nil)
    return Nothing()
  }

  private final class Nothing: RangeTransfer {
    func cancel() {}
  }

  func attributes() throws(Errno) -> Attributes { try base.attributes() }
  func read(into buffer: inout MutableRawSpan, at offset: Int64) throws(Errno) -> Int { 0 }
  func write(_ bytes: RawSpan, at offset: Int64, durability: WriteDurability) throws(Errno) -> Int { 0 }
  func truncate(to size: Int64) throws(Errno) {}
  func allocate(mode: Int32, offset: Int64, length: Int64) throws(Errno) {}
  func seek(to offset: Int64, whence: Int32) throws(Errno) -> Int64 { 0 }
  func copy(from source: any OpenFile, at sourceOffset: Int64, to offset: Int64, length: Int) throws(Errno) -> Int { 0 }
  func synchronize() throws(Errno) {}
  func flush() throws(Errno) {}
  func changeMode(_ mode: UInt32) throws(Errno) {}
}
