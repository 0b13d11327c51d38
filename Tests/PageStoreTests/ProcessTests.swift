import Glibc
import LinuxSystem
import PageSamples
import PageStore
import SystemPackage
import TestSupport
import Testing

@Suite("Processes that use a page store and die")
struct ProcessTests {
  private func start(_ arguments: [String], input: CInt? = nil, output: CInt? = nil) throws -> PidFD {
    var spawn = Spawn(executable: try builtProduct("page-writer"), arguments: ["page-writer"] + arguments)
    if let input { spawn.descriptors[0] = input }
    if let output { spawn.descriptors[1] = output }
    return try spawn.start()
  }

  private static func wasKilled(_ exit: ProcessExit?) -> Bool {
    if case .signalled(signal: SIGKILL, _)? = exit { return true }
    return false
  }

  /// What is there serves right bytes, takes new pages, and is counted as it is.
  private func check(_ folder: StoreFolder, _ samples: [PageSample], _ what: String) throws {
    let store = try folder.open()
    // Files without a page, which the scan has found, go in the background: not under a read that finds one.
    store.drain(until: .never)
    for sample in samples {
      let reader = store.reader(sample)
      let isRight = reader.readsRight()
      #expect(isRight, "\(what): \(sample.number)")
      store.drain(until: .never)
      let second = reader.read(0, Int(sample.size))
      #expect(second.fetched == 0, "\(what): \(sample.number)")
      #expect(second.bytes == sample.bytes(0..<sample.size), "\(what): \(sample.number)")
    }
    #expect(store.counts.badPages == 0, "\(what): a crash damaged what was whole")
    let used = store.status.usedBytes
    let measured = try folder.measure()
    #expect(measured <= used + 64 * 1024, "\(what): \(measured) on disk, \(used) counted")
  }

  private let samples = (0..<8).map { PageSample($0, size: $0 % 2 == 0 ? 300_001 : 20_000) }

  @Test(
    "a process killed at any step of a fill or an eviction leaves a store that serves right bytes",
    arguments: [("fill", DiskStep.fill), ("evict", DiskStep.fill + DiskStep.eviction)])
  func killedAtStep(mode: String, steps: [DiskStep]) throws {
    for step in steps + [.middleOfOrder, .beforeOrderRename] {
      let folder = try StoreFolder()
      let exit = try Waiting.untilEnded(try start([folder.path, mode, step.rawValue]))
      #expect(Self.wasKilled(exit), "\(mode) at \(step): \(String(describing: exit))")
      try check(folder, samples, "\(mode) at \(step)")
    }
  }

  @Test("a process killed at any moment leaves a store that serves right bytes")
  func killedAtAnyMoment() throws {
    let rounds = Int(Environment["PAGE_CRASHES"] ?? "") ?? 8
    let folder = try StoreFolder()
    let storm = (0..<12).map { PageSample($0, size: $0 % 3 == 0 ? 400_123 : 30_000) }
    for round in 0..<rounds {
      var pipe = try Pipe()
      let process = try start([folder.path, "storm", "\(round)", "own"], output: pipe.writerNumber)
      pipe.closeWriter()
      // Somewhere in its work, which differs from round to round.
      for _ in 0...(round % 4) { _ = try pipe.reader.descriptor.read(upTo: 1) }
      try process.signal(SIGKILL)
      let exit = try Waiting.untilEnded(process)
      #expect(Self.wasKilled(exit), "round \(round): a wrong byte was read: \(String(describing: exit))")
    }
    try check(folder, storm, "after \(rounds) kills")
  }

  @Test("two processes at once on one folder read right bytes, and one that dies harms nobody")
  func shared() throws {
    let folder = try StoreFolder()
    var pipes = [try Pipe(), try Pipe()]
    var processes: [PidFD] = []
    for index in 0..<2 {
      processes.append(
        try start([folder.path, "storm", "\(index + 5)", "shared"], output: pipes[index].writerNumber))
    }
    pipes[0].closeWriter()
    pipes[1].closeWriter()
    for pipe in pipes { for _ in 0..<6 { _ = try pipe.reader.descriptor.read(upTo: 1) } }
    try processes[0].signal(SIGKILL)
    #expect(Self.wasKilled(try Waiting.untilEnded(processes[0])))
    for _ in 0..<6 { #expect(try pipes[1].reader.descriptor.read(upTo: 1).count == 1) }
    try processes[1].signal(SIGKILL)
    #expect(Self.wasKilled(try Waiting.untilEnded(processes[1])))
    let store = try folder.open(quota: 1 << 20) { $0.isShared = true }
    for number in 0..<12 {
      let isRight = store.reader(PageSample(number, size: number % 3 == 0 ? 400_123 : 30_000)).readsRight()
      #expect(isRight)
    }
    store.drain(until: .never)
    #expect(store.status.usedBytes <= 1 << 20)
  }

  @Test("a page that another process fetches is waited for, and is free when that one dies")
  func crossProcessFlight() throws {
    let folder = try StoreFolder()
    let sample = PageSample(3, size: 300_001)
    var (input, output) = (try Pipe(), try Pipe())
    let holder = try start(
      [folder.path, "hold", "3"], input: input.reader.rawValue, output: output.writerNumber)
    output.closeWriter()
    #expect(try output.reader.descriptor.read(upTo: 4).count == 4)
    let store = try folder.open { $0.isShared = true }
    let file = store.open(sample.version)
    guard case .elsewhere(let wait) = file.beginFill(page: 0) else {
      Issue.record("a page was given that another process has")
      return
    }
    if case .timedOut = wait.wait(until: .now) {} else { Issue.record("a wait went on past its limit") }
    guard case .ours = file.beginFill(page: 1) else {
      Issue.record("another page was not to be had")
      return
    }
    try holder.signal(SIGKILL)
    _ = try Waiting.untilEnded(holder)
    if case .tryAgain = wait.wait(until: .never) {} else { Issue.record("a dead holder keeps its page") }
    #expect(store.reader(sample).readsRight())
    input.closeWriter()
  }

  @Test("in a shared folder a page is known to all who ask for it, and not brought twice")
  func knownToOthers() throws {
    let folder = try StoreFolder()
    let sample = PageSample(3, size: 300_001)
    let first = try folder.open { $0.isShared = true }
    let second = try folder.open { $0.isShared = true }
    let (mine, theirs) = (first.open(sample.version), second.open(sample.version))
    #expect(!theirs.contains(page: 0))
    guard case .ours(let fill) = mine.beginFill(page: 0) else {
      Issue.record("a page was not to be had")
      return
    }
    guard case .elsewhere(let wait) = theirs.beginFill(page: 0) else {
      Issue.record("a page was given twice")
      return
    }
    #expect(!wait.waitForEnd(until: .now))
    fill.commit(PageBytes(sample.bytes(0..<Int64(StoreFolder.pageSize))))
    first.drain(until: .never)
    #expect(wait.waitForEnd(until: .never))
    #expect(theirs.contains(page: 0))
    guard case .elsewhere(let late) = theirs.beginFill(page: 0) else {
      Issue.record("a page that is there was given once more")
      return
    }
    #expect(late.waitForEnd(until: .never))
    #expect(first.status.usedBytes == second.status.usedBytes)
    // Evicted by one, it is forgotten by the other with its next read.
    first.drop(sample.version)
    first.drain(until: .never)
    #expect(second.reader(sample).cached(0, 100) == [])
    #expect(!theirs.contains(page: 0))
    #expect(first.status.usedBytes == 0)
  }

  @Test("who keeps the locks of a shared folder to himself keeps others from nothing but each other's pages")
  func lockedSum() throws {
    let folder = try StoreFolder()
    let store = try folder.open { $0.isShared = true }
    let sum = try Descriptor.open("\(folder.path)/usage-1", O_RDWR)
    try RangeLock.take(0, of: sum)
    let sample = PageSample(3, size: 100_000)
    store.fill(sample)
    #expect(store.reader(sample).cached(0, 100_000) == sample.bytes(0..<100_000))
  }

  @Test("what one store fills in a shared folder another one that is open already reads")
  func seenByOthers() throws {
    let folder = try StoreFolder()
    let sample = PageSample(3, size: 300_001)
    let first = try folder.open { $0.isShared = true }
    let second = try folder.open { $0.isShared = true }
    let reader = second.reader(sample)
    #expect(reader.cached(0, 100) == [])
    first.fill(sample)
    #expect(reader.cached(0, 300_001) == sample.bytes(0..<300_001))
    #expect(first.status.usedBytes == second.status.usedBytes)
    first.drop(sample.version)
    first.drain(until: .never)
    #expect(reader.readsRight())
  }
}
