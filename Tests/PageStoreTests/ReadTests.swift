import LinuxSystem
import PageSamples
import PageStore
import Synchronization
import SystemPackage
import TestSupport
import Testing

@Suite("Reads and fills of a page store")
struct ReadTests {
  let sample = PageSample(1, size: 300_001)
  let small = PageSample(2, size: 20_000)

  @Test("what was filled is read, what was not is a miss")
  func hit() throws {
    let folder = try StoreFolder()
    let store = try folder.open()
    let reader = store.reader(sample)
    #expect(reader.cached(0, 1000) == [])
    #expect(reader.readsRight())
    store.drain(until: .never)
    #expect(reader.cached(0, 300_001) == sample.bytes(0..<300_001))
    #expect(reader.read(0, 300_001).fetched == 0)
    #expect(store.counts.fills == 5)
    #expect(store.counts.badPages == 0)
  }

  @Test("another store in the same folder serves what the first one filled", arguments: [20_000, 300_001, 65_536, 1])
  func reopened(size: Int64) throws {
    let folder = try StoreFolder()
    let sample = PageSample(3, size: size)
    try folder.open().fill(sample)
    let store = try folder.open()
    #expect(store.reader(sample).cached(0, Int(size)) == sample.bytes(0..<size))
    #expect(store.status.pages == Int((size + 65_535) / 65_536))
  }

  @Test("reads of any place and length are right, alone and against what is missing in the middle")
  func anyRange() throws {
    let folder = try StoreFolder()
    let store = try folder.open()
    let reader = store.reader(sample)
    // Page 2 stays away.
    for page in [Int64(0), 1, 3, 4] {
      guard case .ours(let fill) = reader.file.beginFill(page: page) else {
        Issue.record("the page was not to be had")
        return
      }
      fill.commit(PageBytes(sample.page(page, pageSize: StoreFolder.pageSize)))
    }
    store.drain(until: .never)
    var generator = SeededGenerator(seed: 11)
    for _ in 0..<500 {
      let offset = Int64.random(in: 0..<310_000, using: &generator)
      let count = Int.random(in: 0...200_000, using: &generator)
      var end = min(offset + Int64(count), sample.size)
      if offset < 3 * 65_536, end > 2 * 65_536 { end = max(min(offset, end), min(end, 2 * 65_536)) }
      if offset >= 2 * 65_536, offset < 3 * 65_536 { end = offset }
      let expected = sample.bytes(offset..<max(offset, end))
      let got = reader.cached(offset, count)
      #expect(got == expected, "\(offset) \(count)")
    }
    #expect(store.counts.badPages == 0)
  }

  @Test("another revision, size, path or under file system is another file")
  func identities() throws {
    let folder = try StoreFolder()
    let store = try folder.open()
    store.fill(small)
    var others: [FileVersion] = []
    var version = small.version
    version.path = Array("data/2x".utf8)
    others.append(version)
    version = small.version
    version.underFileSystem = Array("s3://other".utf8)
    others.append(version)
    version = small.version
    version.revision = .etag([1])
    others.append(version)
    version.revision = .modified(1)
    others.append(version)
    version = small.version
    version.size = 19_999
    others.append(version)
    for other in others {
      var bytes = [UInt8](repeating: 0, count: 100)
      var span = bytes.mutableSpan
      var raw = span.mutableBytes
      let got = store.open(other).read(into: &raw, at: 0)
      #expect(got == 0)
    }
  }

  @Test("parts of an identity cannot be moved across their borders")
  func ambiguous() {
    let one = FileVersion(underFileSystem: [1, 2], path: [3], revision: .etag([4]), size: 9)
    let two = FileVersion(underFileSystem: [1], path: [2, 3], revision: .etag([4]), size: 9)
    let (first, second) = (FileVersionID(of: one, pageSize: 1 << 20), FileVersionID(of: two, pageSize: 1 << 20))
    #expect(first != second)
    let other = FileVersionID(of: one, pageSize: 1 << 21)
    #expect(first != other)
  }

  @Test("a version without bytes, with too long a name or too large is refused and misses")
  func uncacheable() throws {
    let folder = try StoreFolder()
    let store = try folder.open()
    var long = small.version
    long.path = [UInt8](repeating: 65, count: 20_000)
    var huge = small.version
    huge.size = 1 << 60
    for version in [PageSample(4, size: 0).version, long, huge] {
      let file = store.open(version)
      guard case .refused = file.beginFill(page: 0) else {
        Issue.record("a fill was taken")
        return
      }
    }
    guard case .refused = store.open(small.version).beginFill(page: 1) else {
      Issue.record("a page beyond the end was taken")
      return
    }
  }

  @Test("what is dropped is gone for who has it open, and can be filled again")
  func drop() throws {
    let folder = try StoreFolder()
    let store = try folder.open()
    for sample in [sample, small] {
      let reader = store.fill(sample)
      store.drop(sample.version)
      store.drain(until: .never)
      #expect(!folder.exists(sample))
      #expect(reader.cached(0, 100) == [])
      #expect(reader.readsRight())
      store.drain(until: .never)
      #expect(reader.cached(0, 100) == sample.bytes(0..<100))
    }
    store.drop(sample.version)
    store.drop(small.version)
    store.drain(until: .never)
    #expect(store.status.usedBytes == 0)
    #expect(store.status.pages == 0)
  }

  @Test("of threads that want one page one fetches it, and all have it")
  func singleFlight() throws {
    let folder = try StoreFolder()
    let store = try folder.open()
    let reader = store.reader(sample)
    guard case .ours(let fill) = reader.file.beginFill(page: 0) else {
      Issue.record("the page was not to be had")
      return
    }
    let content = sample.page(0, pageSize: StoreFolder.pageSize)
    let waits = Mutex<[PageWait]>([])
    let results = Mutex<[[UInt8]]>([])
    let (asked, done) = (Gate(), Gate())
    for _ in 0..<8 {
      OwnThread.start {
        if case .elsewhere(let wait) = reader.file.beginFill(page: 0) {
          waits.withLock { $0.append(wait) }
          asked.arrive()
          if case .bytes(let page) = wait.wait(until: .never) {
            page.withBytes { bytes in results.withLock { $0.append(bytes.bytes) } }
          }
        } else {
          asked.arrive()
        }
        done.arrive()
      }
    }
    asked.waitForArrivals(8)
    fill.commit(PageBytes(content))
    done.waitForArrivals(8)
    let (asking, got) = (waits.withLock { $0.count }, results.withLock { $0 })
    #expect(asking == 8)
    #expect(got == [[UInt8]](repeating: content, count: 8))
    store.drain(until: .never)
    #expect(reader.cached(0, 65_536) == content)
  }

  @Test("a fill that is abandoned, or forgotten, lets the next one try")
  func abandoned() throws {
    let folder = try StoreFolder()
    let store = try folder.open()
    let file = store.open(sample.version)
    for isForgotten in [false, true] {
      guard case .ours(let fill) = file.beginFill(page: 1) else {
        Issue.record("the page was not to be had")
        return
      }
      guard case .elsewhere(let wait) = file.beginFill(page: 1) else {
        Issue.record("the page was given twice")
        return
      }
      if case .timedOut = wait.wait(until: .now) {} else { Issue.record("a wait went on past its limit") }
      if !isForgotten { fill.abandon() } else { _ = consume fill }
      if case .tryAgain = wait.wait(until: .never) {} else { Issue.record("the flight did not end") }
    }
  }

  @Test("what waits to be written is had by those that wait, and not written when too much does")
  func behind() throws {
    let folder = try StoreFolder()
    let gate = Gate()
    let faults = DiskFaults()
    let store = try folder.open(faults: faults) {
      $0.fillQueueBytes = 100_000
      $0.fillThreads = 1
    }
    #if FAULT_INJECTION
      faults.set { step in if step == .beforeData { gate.pass() } }
      let file = store.open(sample.version)
      guard case .ours(let first) = file.beginFill(page: 0), case .ours(let second) = file.beginFill(page: 1) else {
        Issue.record("the pages were not to be had")
        return
      }
      first.commit(PageBytes(sample.page(0, pageSize: StoreFolder.pageSize)))
      gate.waitForArrivals(1)
      guard case .refused = file.beginFill(page: 2) else {
        Issue.record("a fill was taken by a queue that is full")
        return
      }
      second.commit(PageBytes(sample.page(1, pageSize: StoreFolder.pageSize)))
      #expect(store.counts.droppedFills == 1)
      gate.open()
      store.drain(until: .never)
      #expect(store.counts.fills == 1)
    #endif
  }
}
