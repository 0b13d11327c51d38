import Glibc
import LinuxSystem
import PageSamples
import SystemPackage
import TestSupport
import Testing

@testable import PageStore

@Suite("A disk that fails under a page store")
struct DiskTests {
  let sample = PageSample(1, size: 300_001)

  @Test("the folders of files are made far from each other where the file system does that")
  func placed() throws {
    let folder = try StoreFolder()
    _ = try folder.open()
    let pages = try Descriptor.open("\(folder.path)/pages-1", O_RDONLY | O_DIRECTORY)
    #expect(try InodeFlags.isTopDirectory(pages) != false)
  }

  @Test("a disk that is full never fails a read, and the cache makes do with what is there", .requiresRoot)
  func full() async throws {
    try await PrivateMountNamespace.run {
      let directory = try TemporaryDirectory("full")
      try Mount.mount(source: "pages", target: directory.path, type: "tmpfs", data: "size=700k")
      let store = try StoreFolder.open(directory.path)
      for number in 0..<8 {
        let isRight = store.reader(PageSample(number, size: 300_001)).readsRight()
        #expect(isRight)
        store.drain(until: .never)
      }
      #expect(store.counts.evictions > 0)
      #expect(store.status.readPause == nil)
      let isRight = store.reader(sample).readsRight()
      #expect(isRight)
    }
  }

  /// A page in memory that is aligned, as a pool's is.
  private final class AlignedPage: PageContent {
    let memory: AnonymousMemory
    let byteCount: Int

    init(_ bytes: [UInt8]) throws(Errno) {
      memory = try AnonymousMemory(byteCount: bytes.count)
      memory.write(bytes, at: 0)
      byteCount = bytes.count
    }

    func withBytes(_ body: (RawSpan) -> Void) { memory.withBytes(at: 0, count: byteCount, body) }
  }

  @Test("pages of a large file are right, whether they could be written past the page cache or not")
  func large() throws {
    let folder = try StoreFolder()
    let size = StoreFolder.pageSize
    let sample = PageSample(1, size: 16 << 20 + 5)
    let last = sample.size / Int64(size)
    do {
      let store = try folder.open()
      let file = store.open(sample.version)
      for page in [0, 1, 100, last] {
        let bytes = sample.page(page, pageSize: size)
        // From memory that is aligned and memory that is not.
        let content: any PageContent = page == 1 ? PageBytes(Array(bytes)) : try AlignedPage(bytes)
        guard case .ours(let fill) = file.beginFill(page: page) else {
          Issue.record("page \(page) cannot be filled")
          continue
        }
        fill.commit(content)
      }
      store.close(until: .never)
      #expect(store.status.writePause == nil)
    }
    let reader = try folder.open().reader(sample)
    for page in [0, 1, 100, last] {
      #expect(reader.cached(page * Int64(size), size) == sample.page(page, pageSize: size))
    }
  }

  @Test("the disk keeps what must stay free, whatever the quota says", .requiresRoot)
  func minimumFree() async throws {
    try await PrivateMountNamespace.run {
      let directory = try TemporaryDirectory("free")
      try Mount.mount(source: "pages", target: directory.path, type: "tmpfs", data: "size=2m")
      let store = try StoreFolder.open(directory.path) { $0.minimumFree = 1 << 20 }
      for number in 0..<20 { store.fill(PageSample(number, size: 300_001)) }
      let free = try FileSystemStatistics(at: directory.path).availableBytes
      #expect(free >= 1 << 20)
      #expect(store.status.writePause == nil)
      #expect(store.counts.evictions > 0)
      // Somebody else fills the disk: the cache gives way.
      try Descriptor.open(directory.appending("other"), O_WRONLY | O_CREAT, mode: 0o600)
        .writeAll([UInt8](repeating: 1, count: 900_000))
      store.fill(PageSample(30, size: 300_001))
      let freeNow = try FileSystemStatistics(at: directory.path).availableBytes
      #expect(freeNow >= 1 << 20 || store.status.pages == 0)
    }
  }

  @Test("a read-only folder serves what it has and takes nothing", .requiresRoot)
  func readOnly() async throws {
    try await PrivateMountNamespace.run {
      let directory = try TemporaryDirectory("read-only")
      try Mount.mount(source: "pages", target: directory.path, type: "tmpfs", data: "size=4m")
      do {
        let store = try StoreFolder.open(directory.path)
        store.fill(sample)
        store.close(until: .never)
      }
      let remount = try Program.run("mount", ["-o", "remount,ro", directory.path])
      #expect(remount.succeeded, "\(remount.text)")
      let store = try StoreFolder.open(directory.path)
      #expect(store.reader(sample).cached(0, 300_001) == sample.bytes(0..<300_001))
      let other = store.reader(PageSample(2, size: 300_001))
      #expect(other.readsRight())
      store.drain(until: .never)
      #expect(other.readsRight())
      store.drain(until: .never)
      #expect(store.status.writePause?.reason == .readOnly)
    }
  }

  @Test("a folder that is no folder, or gone, makes a store that misses")
  func noFolder() throws {
    let folder = try StoreFolder()
    let file = try Descriptor.open(try folder.directory.write("", to: "file"), O_RDONLY)
    let store = PageStore(folder: file, configuration: PageStore.Configuration(quota: 1 << 30))
    store.waitForScan(until: .never)
    let reader = PageReader(sample, in: store, pageSize: 1 << 20)
    #expect(reader.readsRight())
    #expect(store.status.folderError != nil)
    let gone = try folder.directory.makeDirectory("gone")
    let descriptor = try Descriptor.open(gone, O_RDONLY | O_DIRECTORY)
    try Folder.removeEmpty(gone)
    let second = PageStore(folder: descriptor, configuration: PageStore.Configuration(quota: 1 << 30))
    #expect(PageReader(sample, in: second, pageSize: 1 << 20).readsRight())
    second.close(until: .never)
  }

  #if FAULT_INJECTION
    @Test("a write that fails at any step costs the page and a pause, no read", arguments: DiskStep.fill)
    func failingWrites(step: DiskStep) throws {
      let folder = try StoreFolder()
      let faults = DiskFaults()
      let store = try folder.open(faults: faults)
      for (sample, error) in [(PageSample(2, size: 300_001), Errno.ioError), (PageSample(3, size: 20_000), .ioError)] {
        faults.set { reached throws(Errno) in if reached == step { throw error } }
        #expect(store.reader(sample).readsRight())
        store.drain(until: .never)
        faults.set(nil)
        #expect(store.reader(sample).readsRight())
      }
      store.drain(until: .never)
      let wasMet = store.status.writePause?.reason == .failing(Errno.ioError.rawValue)
      #expect(wasMet || store.counts.fills > 0)
      let next = try folder.open()
      for number in 1...3 {
        let isRight = next.reader(PageSample(number, size: number == 3 ? 20_000 : 300_001)).readsRight()
        #expect(isRight)
      }
    }

    @Test("a disk that says it is full gets pages taken away, and is left alone for a while")
    func noSpace() throws {
      let faults = DiskFaults()
      let folder = try StoreFolder()
      let store = try folder.open(faults: faults)
      for number in 0..<4 { store.fill(PageSample(number, size: 100_000)) }
      faults.set { reached throws(Errno) in if reached == .middleOfData { throw .noSpace } }
      #expect(store.reader(PageSample(9, size: 300_001)).readsRight())
      store.drain(until: .never)
      #expect(store.status.writePause?.reason == .full)
      #expect(store.counts.evictions >= 2)
      faults.set(nil)
      #expect(store.reader(PageSample(9, size: 300_001)).readsRight())
    }

    @Test("an eviction that fails at any step fails no read", arguments: DiskStep.eviction)
    func failingEvictions(step: DiskStep) throws {
      let folder = try StoreFolder()
      let faults = DiskFaults()
      let store = try folder.open(quota: 400_000, faults: faults)
      faults.set { reached throws(Errno) in if reached == step { throw .ioError } }
      for number in 0..<10 {
        let isRight = store.fill(PageSample(number, size: 200_000)).readsRight()
        #expect(isRight)
      }
      faults.set(nil)
      for number in 0..<10 {
        let isRight = store.reader(PageSample(number, size: 200_000)).readsRight()
        #expect(isRight)
      }
    }

    @Test("a disk that cannot read makes misses, and is left alone after the third in a row")
    func failingReads() throws {
      let folder = try StoreFolder()
      let faults = DiskFaults()
      let store = try folder.open(faults: faults)
      for number in 0..<4 { store.fill(PageSample(number, size: 20_000)) }
      faults.set { reached throws(Errno) in if reached == .readColdData { throw .ioError } }
      for number in 0..<4 {
        let isRight = store.reader(PageSample(number, size: 20_000)).readsRight()
        #expect(isRight)
      }
      store.drain(until: .never)
      #expect(store.status.readPause?.reason == .failing(Errno.ioError.rawValue))
      #expect(store.counts.badPages == 3, "after the third in a row nothing is asked of the disk")
    }

    @Test("a read that the disk does not answer is given up, and no other waits for that disk")
    func slowReads() throws {
      let folder = try StoreFolder()
      let faults = DiskFaults()
      let gate = Gate()
      let store = try folder.open(faults: faults) { $0.readLimit = .milliseconds(50) }
      store.fill(sample)
      faults.set { reached in if reached == .readColdData { gate.pass() } }
      let reader = store.reader(sample)
      #expect(reader.cached(0, 1000) == [])
      gate.waitForArrivals(1)
      #expect(store.status.readPause?.reason == .slow)
      for _ in 0..<100 { #expect(reader.cached(0, 1000) == []) }
      // Only one read ever went to that disk.
      #expect(store.disk.mayRead == false)
      gate.open()
    }

    @Test("fills that hang on the disk hold up nobody, and those that come later are refused")
    func slowFills() throws {
      let folder = try StoreFolder()
      let faults = DiskFaults()
      let gate = Gate()
      let store = try folder.open(faults: faults) { $0.fillQueueBytes = 200_000 }
      faults.set { reached in if reached == .beforeData { gate.pass() } }
      for number in 0..<10 {
        let isRight = store.reader(PageSample(number, size: 300_001)).readsRight()
        #expect(isRight)
      }
      #expect(store.counts.refusedFills > 0)
      gate.open()
      store.drain(until: .never)
    }
  #endif

  @Test("pauses grow to a minute, and one success after a pause makes them short again")
  func pauses() {
    var health = DiskHealth()
    var now = Deadline(nanoseconds: 1_000_000_000)
    #expect(health.isOn(at: now))
    var lengths: [Duration] = []
    for _ in 0..<9 {
      health.failed(.full, at: now)
      // During a pause neither failures nor successes change it: they were begun before.
      health.failed(.failing(5), at: now)
      health.succeeded(at: now)
      #expect(!health.isOn(at: now))
      #expect(health.pause?.reason == .full)
      guard let end = health.pause?.until else { break }
      lengths.append(end.remaining(at: now))
      now = end
      #expect(health.isOn(at: now))
    }
    #expect(lengths == [1, 2, 4, 8, 16, 32, 60, 60, 60].map { Duration.seconds($0) })
    health.succeeded(at: now)
    health.failed(.readOnly, at: now)
    #expect(health.pause?.until.remaining(at: now) == .seconds(1))
  }

  @Test("failures that are borne are counted in a row, and slowness is borne never")
  func patience() {
    let now = Deadline(nanoseconds: 1)
    var health = DiskHealth(patience: 2)
    for _ in 0..<5 {
      health.failed(.failing(5), at: now)
      health.failed(.failing(5), at: now)
      #expect(health.isOn(at: now))
      health.succeeded(at: now)
    }
    health.failed(.slow, at: now)
    #expect(!health.isOn(at: now))
  }
}
