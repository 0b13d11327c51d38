import Glibc
import LinuxSystem
import PageSamples
import PageStore
import SystemPackage
import TestSupport
import Testing

@Suite("The budget of a node")
struct NodeTests {
  typealias Claim = NodeBudget.Claim

  @Test("what suffices for all is given to all, and the rest is divided")
  func plenty() {
    let budget = NodeBudget(total: 100)
    #expect(budget.allowances([Claim(quota: 50, wanted: 10), Claim(quota: 50, wanted: 20)]) == [50, 50])
    #expect(budget.allowances([Claim(quota: 200, wanted: 10), Claim(quota: 200, wanted: 20)]) == [45, 55])
    #expect(budget.allowances([]) == [])
  }

  @Test("what is scarce is divided evenly among those who want more than their share")
  func scarce() {
    let budget = NodeBudget(total: 90)
    let claims = [Claim(quota: 1000, wanted: 10), Claim(quota: 1000, wanted: 500), Claim(quota: 1000, wanted: 70)]
    #expect(budget.allowances(claims) == [10, 40, 40])
  }

  @Test("however claims lie, the total and each quota hold, and nobody falls below an even share that he wants")
  func lies() {
    var generator = SeededGenerator(seed: 51)
    for _ in 0..<2000 {
      let total = Int64.random(in: 0...10_000, using: &generator)
      let claims = (0..<Int.random(in: 1...8, using: &generator)).map { _ in
        Claim(
          quota: Int64.random(in: 0...5000, using: &generator),
          wanted: Bool.random(using: &generator) ? Int64.max : Int64.random(in: -5...9000, using: &generator))
      }
      let given = NodeBudget(total: total).allowances(claims)
      #expect(given.reduce(0, +) <= total)
      for (claim, bytes) in zip(claims, given) {
        #expect(bytes >= 0 && bytes <= max(0, claim.quota))
        let fair = min(max(0, min(claim.wanted, claim.quota)), total / Int64(claims.count))
        #expect(bytes >= fair - Int64(claims.count))
      }
    }
  }

  @Test("an account takes any bytes that a worker writes into it")
  func account() throws {
    let memfd = try CacheAccount.create()
    let account = try CacheAccount(memfd)
    #expect(account.allowance == 0)
    _ = try memfd.write([UInt8](repeating: 0xFF, count: 4096), range: 0..<4096, at: 0)
    #expect(account.used == .max && account.wanted == .max && account.allowance == .max)
    account.allow(-5)
    #expect(account.allowance == 0)
    #expect(throws: Errno.notPermitted) { try memfd.truncate(to: 0) }
    let small = try Memfd.create(name: "small", byteCount: 100, sealing: [.shrink])
    #expect(throws: Errno.invalidArgument) { try CacheAccount(small) }
  }

  @Test("a folder is measured as it is and emptied from its oldest files, whatever lies in it")
  func measured() throws {
    let folder = try StoreFolder()
    let outside = try TemporaryDirectory("outside")
    try outside.write(String(repeating: "x", count: 500_000), to: "large")
    do {
      let store = try folder.open()
      for number in 0..<10 { store.fill(PageSample(number, size: 100_000)) }
    }
    try Syscall.once { symlink(outside.path, folder.directory.appending("link")) }
    try Syscall.once { mkfifo(folder.directory.appending("pipe"), 0o600) }
    let descriptor = try Descriptor.open(folder.path, O_RDONLY | O_DIRECTORY)
    let before = try FolderUsage.measure(descriptor)
    #expect(before >= 1_000_000 && before < 1_300_000, "\(before)")
    let freed = try FolderUsage.trim(descriptor, to: 400_000)
    let after = try FolderUsage.measure(descriptor)
    #expect(after <= 400_000 && after == before - freed)
    #expect(access(outside.appending("large"), F_OK) == 0)
    let isExceeded = NodeBudget.isExceeded(measured: 200 << 20, allowance: 100 << 20)
    let isKept = !NodeBudget.isExceeded(measured: 110 << 20, allowance: 100 << 20)
    #expect(isExceeded && isKept)
  }

  @Test("a store whose files the plugin took away misses and goes on")
  func trimmedUnderStore() throws {
    let folder = try StoreFolder()
    let store = try folder.open()
    let readers = (0..<6).map { store.fill(PageSample($0, size: 100_000)) }
    try FolderUsage.trim(try Descriptor.open(folder.path, O_RDONLY | O_DIRECTORY), to: 0)
    for reader in readers {
      let isRight = reader.readsRight()
      #expect(isRight)
    }
    store.drain(until: .never)
    let next = try folder.open()
    for reader in readers {
      let isRight = next.reader(reader.sample).readsRight()
      #expect(isRight)
    }
  }
}
