import Glibc
import LinuxSystem
import PageSamples
import PageStore
import SystemPackage
import TestSupport
import Testing

@Suite("Versions that are whole in a file of their own")
struct WholeFileTests {
  private let sample = PageSample(1, size: 300_001)
  private let other = PageSample(2, size: 300_001)

  private func open(_ folder: StoreFolder, quota: Int64 = 1 << 30) throws -> PageStore {
    try folder.open(quota: quota) { $0.keepsWhole = true }
  }

  /// Asks for the version's file and waits until there is one, or is not going to be.
  private func keep(_ sample: PageSample, in store: PageStore) -> SharedDescriptor? {
    store.keepWhole(sample.version)
    store.drainWhole(until: .never)
    return store.wholeFile(of: sample.version)
  }

  private func path(of sample: PageSample, in folder: StoreFolder) -> String {
    folder.path(of: sample).replacing("/pages-1/", with: "/whole-1/")
  }

  private func bytes(_ file: SharedDescriptor?) throws -> [UInt8] {
    try #require(file).descriptor.bytes(at: 0, count: 1 << 20)
  }

  @Test("it has the version's bytes and no others, and the next store finds it", arguments: [300_001, 20_000, 1 << 16])
  func kept(size: Int64) throws {
    let folder = try StoreFolder()
    let sample = PageSample(1, size: size)
    let store = try open(folder)
    #expect(keep(sample, in: store) == nil)
    store.fill(sample)
    #expect(store.wholeFile(of: sample.version) == nil)
    #expect(try bytes(keep(sample, in: store)) == sample.bytes(0..<size))
    #expect(store.counts.hits == 0 || store.counts.hitBytes < 2 * size)
    let next = try open(folder)
    #expect(try bytes(next.wholeFile(of: sample.version)) == sample.bytes(0..<size))
    #expect(next.status.wholeBytes >= size && next.status.usedBytes == store.status.usedBytes)
    #expect(try folder.measure() <= next.status.usedBytes + 64 * 1024)
    #expect(next.wholeFile(of: PageSample(3, size: size).version) == nil)
  }

  @Test("a version of which a page is missing, or not right, has none")
  func incomplete() throws {
    let folder = try StoreFolder()
    let store = try open(folder)
    _ = store.reader(sample).read(0, 64 << 10)
    store.drain(until: .never)
    #expect(keep(sample, in: store) == nil)
    store.fill(sample)
    let file = try Descriptor.open(folder.path(of: sample), O_RDWR)
    let byte = try file.bytes(at: 200_000, count: 1)
    _ = try file.write([byte[0] ^ 1], range: 0..<1, at: 200_000)
    #expect(keep(sample, in: store) == nil)
    #expect(try DirectoryNames.list("\(folder.path)/whole-1") == [])
    #expect(store.status.wholeBytes == 0)
    // What was wrong is fetched again, and then it is whole.
    store.drain(until: .never)
    store.fill(sample)
    #expect(try bytes(keep(sample, in: store)) == sample.bytes(0..<sample.size))
  }

  @Test("they take half of the quota, and what was used lately makes no room for others")
  func room() throws {
    let folder = try StoreFolder()
    let store = try open(folder, quota: 1_300_000)
    store.fill(sample)
    store.fill(other)
    #expect(keep(sample, in: store) != nil)
    #expect(keep(other, in: store) != nil)
    let third = PageSample(3, size: 100_001)
    store.fill(third)
    #expect(keep(third, in: store) == nil)
    #expect(store.wholeFile(of: sample.version) != nil)
    // An hour without use is long enough.
    try Descriptor.open(path(of: other, in: folder), O_RDONLY).changeTimes(access: .unchanged, modification: .at(1))
    let next = try open(folder, quota: 1_300_000)
    #expect(keep(third, in: next) != nil)
    #expect(next.wholeFile(of: other.version) == nil)
    #expect(next.wholeFile(of: sample.version) != nil)
    #expect(next.status.usedBytes <= 1_300_000)
  }

  @Test("a smaller allowance takes them away, least recently used first, with the next that is to be kept")
  func allowance() throws {
    let folder = try StoreFolder()
    _ = { (store: PageStore) in
      store.fill(sample)
      store.fill(other)
      _ = keep(sample, in: store)
      _ = keep(other, in: store)
    }(try open(folder))
    try Descriptor.open(path(of: sample, in: folder), O_RDONLY).changeTimes(access: .unchanged, modification: .at(1))
    let small = try open(folder, quota: 700_000)
    let third = PageSample(3, size: 20_000)
    small.fill(third)
    #expect(keep(third, in: small) != nil)
    #expect(small.wholeFile(of: sample.version) == nil)
    #expect(small.wholeFile(of: other.version) != nil)
  }

  @Test("what somebody planted in its place is not opened, and goes")
  func planted() throws {
    let folder = try StoreFolder()
    let store = try open(folder)
    for sample in [sample, other] { store.fill(sample) }
    #expect(keep(sample, in: store) != nil)
    #expect(keep(other, in: store) != nil)
    let place = path(of: sample, in: folder)
    func replace(_ make: () throws -> Void) throws {
      unlink(place)
      rmdir(place)
      try make()
      #expect(store.wholeFile(of: sample.version) == nil)
      #expect(access(place, F_OK) != 0)
    }
    // Another version's file, with all that belongs to it.
    try replace { #expect(link(path(of: other, in: folder), place) == 0) }
    try replace { #expect(symlink("/etc/passwd", place) == 0) }
    try replace { #expect(mkfifo(place, 0o600) == 0) }
    try replace { try Descriptor.open(place, O_RDWR | O_CREAT, mode: 0o600).truncate(to: sample.size) }
    #expect(rename(path(of: other, in: folder), place) == 0)
    #expect(store.wholeFile(of: sample.version) == nil)
    #expect(try bytes(keep(sample, in: store)) == sample.bytes(0..<sample.size))
  }

  @Test("a disk that is full or fails leaves none, and reads go on")
  func failing() throws {
    for error in [Errno.noSpace, .ioError, .readOnlyFileSystem] {
      for step in DiskStep.whole.dropLast() {
        let folder = try StoreFolder()
        let faults = DiskFaults()
        let store = try folder.open(faults: faults) { $0.keepsWhole = true }
        store.fill(sample)
        faults.set { reached throws(Errno) in if reached == step { throw error } }
        #expect(keep(sample, in: store) == nil, "\(error) at \(step)")
        faults.set(nil)
        #expect(store.status.wholeBytes == 0)
        #expect(store.status.writePause != nil)
        let names = try DirectoryNames.list("\(folder.path)/whole-1")
        #expect(!names.contains("new"), "\(error) at \(step): \(names)")
        #expect(store.reader(sample).read(0, 300_001).fetched == 0)
      }
    }
  }

  @Test("a process killed at any step leaves none or a whole one, and nothing else", arguments: DiskStep.whole)
  func killed(step: DiskStep) throws {
    let folder = try StoreFolder()
    let program = try builtProduct("page-writer")
    let spawn = Spawn(executable: program, arguments: ["page-writer", folder.path, "whole", step.rawValue])
    let exit = try Waiting.untilEnded(try spawn.start())
    guard case .signalled(signal: SIGKILL, _)? = exit else {
      Issue.record("\(step): \(String(describing: exit))")
      return
    }
    let store = try open(folder)
    let sample = PageSample(0, size: 300_001)
    if let file = store.wholeFile(of: sample.version) { #expect(try bytes(file) == sample.bytes(0..<sample.size)) }
    #expect((store.wholeFile(of: sample.version) != nil) == (step == .afterWholeName))
    #expect(!(try DirectoryNames.list("\(folder.path)/whole-1")).contains("new"))
    #expect(try bytes(keep(sample, in: store)) == sample.bytes(0..<sample.size))
  }

  @Test("a store that keeps none removes those of one before it, and one whose folder is shared makes none")
  func off() throws {
    let folder = try StoreFolder()
    let store = try open(folder)
    store.fill(sample)
    #expect(keep(sample, in: store) != nil)
    let plain = try folder.open()
    #expect(access("\(folder.path)/whole-1", F_OK) != 0)
    #expect(plain.wholeFile(of: sample.version) == nil)
    let shared = try folder.open {
      $0.keepsWhole = true
      $0.isShared = true
    }
    #expect(keep(sample, in: shared) == nil)
  }

  @Test("a store that is closed while it writes one leaves nothing of it")
  func closed() throws {
    let folder = try StoreFolder()
    let store = try open(folder)
    let large = PageSample(4, size: 9 << 20)
    store.fill(large)
    store.keepWhole(large.version)
    store.close(until: .never)
    let names = try DirectoryNames.list("\(folder.path)/whole-1")
    #expect(!names.contains("new"))
  }
}
