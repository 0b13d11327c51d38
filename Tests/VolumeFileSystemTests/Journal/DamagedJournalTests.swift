import Glibc
import LinuxSystem
import SystemPackage
import TestSupport
import Testing
import UnderFileSystem
import VolumeFileSystem
import VolumeModel

/// Journals as no worker leaves them: a worker can write anything before it dies.
@Suite("a journal that is torn, full or damaged", .requiresRoot)
struct DamagedJournalTests {
  private static let numbers = SharedStateLayout.journalOffset
  private static let entries = SharedStateLayout.journalEntriesOffset
  private static let end =
    entries + SharedStateLayout.journalEntryCount * SharedStateLayout.journalEntrySize

  /// Places of numbers that are not free.
  private func used(_ memory: SharedMemory) -> [Int] {
    (0..<SharedStateLayout.journalEntryCount).filter { memory.load(UInt64.self, at: Self.numbers + 8 * $0) != 0 }
  }

  /// Every operation once; what each answers does not matter, as long as it answers.
  private func use(_ volume: MortalVolume, _ prepared: Scenario.Prepared, resending numbers: [UInt64]) throws {
    var numbers = numbers[...]
    for scenario in Scenario.all {
      let request = numbers.popFirst().map(Requests.resent) ?? Requests.next()
      do throws(Errno) { _ = try scenario.operation(volume.files, prepared, request) } catch {
        // A recorded error may be any number; what the kernel gets is an errno.
        #expect((1..<1000).contains(error.answer))
      }
      volume.files.answered(request)
    }
  }

  /// Whether new objects are made and removed as ever.
  private func checkService(_ volume: MortalVolume) throws {
    volume.files.forget(try volume.files.makeFile("service", [1]).node, 1)
    #expect(throws: Errno.fileExists) { try volume.files.makeFile("service") }
    try volume.files.unlink("service", in: rootNode, caller: rootCaller)
    #expect(try !volume.files.exists("service"))
  }

  @Test("an entry that was not written to its end says that nothing was done")
  func torn() throws {
    let volume = try MortalVolume(.handles)
    let number = Requests.nextNumber()
    func make(_ request: RequestID) throws(Errno) {
      _ = try volume.files.makeDirectory("d", in: rootNode, mode: 0, caller: rootCaller, request: request)
    }
    try make(RequestID(unique: number))
    #expect(used(volume.memory).count == 1)
    // The first word of an entry says for which request it was written to its end.
    for index in 0..<SharedStateLayout.journalEntryCount {
      volume.memory.store(UInt64(0), at: Self.entries + index * SharedStateLayout.journalEntrySize)
    }
    try volume.restart()
    #expect(!volume.files.hasUnclaimedIntents)
    #expect(used(volume.memory).isEmpty)
    // So the request is worked on as if it had not been seen.
    #expect(throws: Errno.fileExists) { try make(Requests.resent(number)) }
    volume.files.answered(Requests.resent(number))
    #expect(volume.files.intentCount == 0)
    try checkService(volume)
  }

  @Test("entries that are left are found again until they are swept, and are no obstacle when they are too many")
  func full() throws {
    let volume = try MortalVolume(.memory)
    let prepared = try Scenario.prepare(volume.files)
    // Requests that were begun and are never answered: a worker with more threads than any has.
    for _ in 0..<3 * SharedStateLayout.journalEntryCount {
      #expect(throws: Errno.fileExists) {
        try volume.files.makeDirectory("f", in: rootNode, mode: 0, caller: rootCaller, request: Requests.next())
      }
    }
    #expect(volume.files.intentCount == SharedStateLayout.journalEntryCount)
    try checkService(volume)
    try volume.restart()
    #expect(volume.files.hasUnclaimedIntents)
    try use(volume, prepared, resending: [])
    #expect(volume.files.intentCount < SharedStateLayout.journalEntryCount)
    try volume.restart()
    try checkService(volume)
    volume.files.resentRequestsAreDrained()
    #expect(volume.files.intentCount == 0)
    #expect(!volume.files.hasUnclaimedIntents)
    try checkService(volume)
  }

  @Test("a request without a number is served without the journal")
  func unnumbered() throws {
    let volume = try MortalVolume(.memory)
    let request = RequestID(unique: 0)
    _ = try volume.files.makeDirectory("d", in: rootNode, mode: 0o755, caller: rootCaller, request: request)
    #expect(volume.files.intentCount == 0)
    volume.files.answered(request)
  }

  @Test("an entry of another operation or another directory is not this request's")
  func foreign() throws {
    let volume = try MortalVolume(.memory)
    let prepared = try Scenario.prepare(volume.files)
    let number = Requests.nextNumber()
    _ = try volume.files.makeDirectory("n", in: rootNode, mode: 0, caller: rootCaller, request: .init(unique: number))
    try volume.restart()
    #expect(throws: Errno.noSuchFileOrDirectory) {
      try volume.files.unlink("n", in: prepared.directory, caller: rootCaller, request: Requests.resent(number))
    }
    volume.files.answered(Requests.resent(number))
    #expect(volume.files.intentCount == 0)
  }

  @Test("random bytes harm nobody", arguments: 1...20)
  func noise(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let volume = try MortalVolume(.handles)
    let prepared = try Scenario.prepare(volume.files)
    volume.memory.write(random.bytes(count: Self.end - Self.numbers), at: Self.numbers)
    try volume.restart()
    let numbers = used(volume.memory).map { volume.memory.load(UInt64.self, at: Self.numbers + 8 * $0) & ~(1 << 63) }
    try use(volume, prepared, resending: numbers)
    volume.files.resentRequestsAreDrained()
    try checkService(volume)
  }

  @Test(
    "entries in form with fields that are anything are answered or done, and never end the worker", arguments: 1...40)
  func mutated(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let volume = try MortalVolume(seed % 2 == 0 ? .handles : .memory)
    let prepared = try Scenario.prepare(volume.files)
    // One entry for every operation, as if its worker had died behind its answer.
    var numbers: [UInt64] = []
    for scenario in Scenario.all {
      let number = Requests.nextNumber()
      numbers.append(number)
      _ = try? scenario.operation(volume.files, prepared, RequestID(unique: number))
    }
    for _ in 0..<200 {
      let offset = Self.entries + Int.random(in: 0..<64 * SharedStateLayout.journalEntrySize / 4, using: &random) * 4
      // The words that make an entry count are left alone, so that the others are believed.
      if (offset - Self.entries) % SharedStateLayout.journalEntrySize < 8 { continue }
      let values: [UInt32] = [0, 1, 2, 127, 128, 129, .max, 1 << 31, .random(in: .min ... .max, using: &random)]
      volume.memory.store(values.randomElement(using: &random) ?? 0, at: offset)
    }
    try volume.restart()
    try use(volume, prepared, resending: numbers)
    volume.files.resentRequestsAreDrained()
    #expect(volume.files.intentCount == 0)
    try checkService(volume)
  }
}
