import LinuxSystem
import PageSamples
import SystemPackage
import TestSupport
import Testing

@testable import PageStore

@Suite("What leaves a page store, and when")
struct EvictionTests {
  @Test("the quota is kept while many threads fill, counted and on disk")
  func quota() async throws {
    let folder = try StoreFolder()
    let quota: Int64 = 2 << 20
    let store = try folder.open(quota: quota)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for thread in 0..<4 {
        group.addTask {
          try await OwnThread.run {
            for round in 0..<12 {
              let number = thread * 12 + round
              let reader = store.reader(PageSample(number, size: number % 2 == 0 ? 500_000 : 15_000))
              let isRight = reader.readsRight()
              #expect(isRight)
            }
          }
        }
      }
      try await group.waitForAll()
    }
    store.drain(until: .never)
    let (used, measured) = (store.status.usedBytes, try folder.measure())
    #expect(used <= quota)
    // Folders, and what the file system needs to say where blocks are.
    #expect(measured <= quota + 128 * 8192, "\(measured) on disk")
    #expect(store.counts.evictions > 0)
  }

  @Test("who has a file open misses what was evicted, and never reads anything else")
  func openReaders() throws {
    let folder = try StoreFolder()
    let store = try folder.open(quota: 600_000)
    let readers = (0..<6).map { store.reader(PageSample($0, size: $0 % 2 == 0 ? 200_000 : 20_000)) }
    for _ in 0..<5 {
      for reader in readers {
        let isRight = reader.readsRight()
        #expect(isRight)
        store.drain(until: .never)
      }
    }
    #expect(store.counts.evictions > 0)
    #expect(store.counts.badPages == 0)
    #expect(store.status.usedBytes <= 600_000)
  }

  @Test("the last page that goes takes its file along")
  func filesGo() throws {
    let folder = try StoreFolder()
    let store = try folder.open(quota: 300_000)
    for number in 0..<10 { store.fill(PageSample(number, size: 130_000)) }
    let there = (0..<10).filter { folder.exists(PageSample($0, size: 130_000)) }
    // Four pages fit, and no file stays without one.
    #expect(there.count <= 4, "\(there)")
  }

  @Test("no more pages are kept than the store may have")
  func maximumPages() throws {
    let folder = try StoreFolder()
    let store = try folder.open { $0.maximumPages = 20 }
    for number in 0..<50 { store.fill(PageSample(number, size: 1000)) }
    #expect(store.status.pages <= 20)
  }

  @Test("what is read again outlives a scan of what is read once, also over a restart")
  func scanResistance() throws {
    let folder = try StoreFolder()
    let hot = (0..<32).map { PageSample($0, size: 60_000) }
    do {
      let store = try folder.open(quota: 6 << 20)
      for sample in hot { store.fill(sample) }
      for sample in hot { #expect(store.reader(sample).read(0, 60_000).fetched == 0) }
      store.close(until: .never)
    }
    let store = try folder.open(quota: 6 << 20)
    for number in 100..<300 { store.fill(PageSample(number, size: 60_000)) }
    let kept = hot.filter { !store.reader($0).cached(0, 100).isEmpty }
    #expect(kept.count == hot.count, "\(kept.count) of \(hot.count) are left")
  }

  @Test("a smaller allowance shrinks the cache with the next fill")
  func allowance() throws {
    let folder = try StoreFolder()
    let memfd = try CacheAccount.create()
    let account = try CacheAccount(memfd)
    account.allow(10 << 20)
    let store = try folder.open { $0.account = try? CacheAccount(memfd) }
    for number in 0..<20 { store.fill(PageSample(number, size: 130_000)) }
    let before = account.used
    #expect(before == store.status.usedBytes && before > 2 << 20)
    #expect(account.wanted <= before)
    account.allow(1 << 20)
    store.fill(PageSample(50, size: 130_000))
    #expect(account.used <= 1 << 20)
    #expect(account.wanted > 1 << 20)
    #expect(try folder.measure() <= before)
  }

  @Test("a page is evicted from S3-FIFO in the order of its reads")
  func policy() throws {
    var policy = S3FIFO<Int>()
    for key in 0..<20 { policy.insert(UInt64(key), key, cost: 1) }
    policy.touch(3)
    policy.touch(3)
    // What came while there was room has settled, but for the tenth that came last.
    #expect(policy.takeVictim()?.key == 18)
    #expect(policy.takeVictim()?.key == 0)
    #expect(policy.takeVictim()?.key == 1)
    #expect(policy.takeVictim()?.key == 2)
    // 3 was read and stays.
    #expect(policy.takeVictim()?.key == 4)
    #expect(policy.contains(3))
    // What comes back soon is not made to pass the small queue again.
    policy.insert(18, 18, cost: 1)
    for key in 100..<140 {
      policy.insert(UInt64(key), key, cost: 1)
      _ = policy.takeVictim()
    }
    #expect(policy.contains(18))
    #expect(policy.contains(3))
    #expect(policy.cost == Int64(policy.count))
  }

  @Test("of what is read round and round most of what fits is found")
  func loop() {
    var policy = S3FIFO<Void>()
    var hits = 0
    for key in (0..<4).flatMap({ _ in UInt64(0)..<1000 }) {
      if policy.contains(key) {
        hits += 1
        policy.touch(key)
      } else {
        if policy.count == 500 { _ = policy.takeVictim() }
        policy.insert(key, (), cost: 1)
      }
    }
    #expect(hits > 3 * 400)
  }

  @Test("random operations keep the sums of S3-FIFO right, and all pages can be taken out")
  func policyModel() {
    var generator = SeededGenerator(seed: 41)
    var policy = S3FIFO<UInt64>()
    var model: [UInt64: Int64] = [:]
    for _ in 0..<50_000 {
      let key = UInt64.random(in: 0..<300, using: &generator)
      switch Int.random(in: 0..<10, using: &generator) {
      case 0..<4:
        let cost = Int64.random(in: 1...100, using: &generator)
        if model[key] == nil { model[key] = cost }
        policy.insert(key, key, cost: cost)
      case 4..<7: policy.touch(key)
      case 7:
        let removed = policy.remove(key)
        #expect(removed?.cost == model.removeValue(forKey: key))
      default:
        if let victim = policy.takeVictim() {
          #expect(model.removeValue(forKey: victim.key) == victim.cost && victim.payload == victim.key)
        } else {
          #expect(model.isEmpty)
        }
      }
      if policy.count != model.count || policy.cost != model.values.reduce(0, +) {
        Issue.record("the sums are wrong")
        return
      }
    }
    while let victim = policy.takeVictim() { model[victim.key] = nil }
    #expect(model.isEmpty)
  }
}
