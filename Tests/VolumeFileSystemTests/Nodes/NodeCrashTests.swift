import LinuxSystem
import Synchronization
import TestSupport
import Testing
import VolumeModel

@testable import VolumeFileSystem

@Suite("nodes whose worker dies between two stores", .requiresRoot)
struct NodeCrashTests {
  /// What the kernel knows.
  private struct Known: Equatable {
    var node: NodeID
    var lookups: UInt64
  }

  private enum Step {
    case acquire(Int)
    case forget(Int, all: Bool)
    case detach(Int)
    case move(Int, to: Int)
  }

  /// One thread, all of whose operations die, at each of their stores in turn.
  @Test("every slot is in its chain or free, and nodes keep their numbers and counts", arguments: 1...12)
  func anyStore(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let keys = seed % 3 == 0 ? Keys.names(14) : Keys.identities(14)
    let nodes = try Nodes(maxNodes: 12)
    var known: [Int: Known] = [:]
    var deaths = 0
    for _ in 0..<250 {
      let step = randomStep(known, keys.count, isNamed: seed % 3 == 0, &random)
      let death = Deaths(nodes.memory, before: Int.random(in: 0..<24, using: &random))
      let before = known
      death.run { perform(step, nodes.table, keys, &known) }
      if let snapshot = death.snapshot {
        deaths += 1
        let done = known
        snapshot.restore(to: nodes.memory)
        try nodes.restart()
        known = found(nodes, keys)
        forgetNameless(nodes, before.values.map(\.node))
        for key in known.keys where known[key] != before[key] && known[key] != done[key] {
          Issue.record("seed \(seed), \(step): \(before) became \(known) and not \(done)")
        }
        checkOthers(step, before, known, seed)
      }
      let problems = nodes.problems()
      #expect(problems == [], "seed \(seed), \(step)")
      if !problems.isEmpty { return }
      #expect(found(nodes, keys) == known, "seed \(seed), \(step)")
    }
    #expect(deaths > 60)
  }

  private func randomStep(
    _ known: [Int: Known], _ count: Int, isNamed: Bool, _ random: inout SeededGenerator
  ) -> Step {
    let one = known.keys.sorted().randomElement(using: &random)
    let new = Int.random(in: 0..<count, using: &random)
    guard let one else { return .acquire(new) }
    switch Int.random(in: 0..<8, using: &random) {
    case 0, 1, 2: return .forget(one, all: random.oneIn(2))
    case 3 where isNamed: return .detach(one)
    case 4 where isNamed && known[new] == nil: return .move(one, to: new)
    default: return .acquire(new)
    }
  }

  private func perform(_ step: Step, _ table: NodeTable, _ keys: [NodeKey], _ known: inout [Int: Known]) {
    switch step {
    case .acquire(let key):
      guard let node = try? table.acquire(keys[key]).node else { return }
      known[key] = Known(node: node, lookups: (known[key]?.lookups ?? 0) + 1)
    case .forget(let key, let all):
      guard let one = known[key] else { return }
      let count = all ? one.lookups : 1
      if let forgotten = table.forget(one.node, count) { table.recycle(forgotten) }
      known[key] = one.lookups > count ? Known(node: one.node, lookups: one.lookups - count) : nil
    case .detach(let key):
      // Nobody knows its number any more, so that it stays.
      table.detach(keys[key])
      if let one = known.removeValue(forKey: key), let forgotten = table.forget(one.node, one.lookups) {
        table.recycle(forgotten)
      }
    case .move(let key, let new):
      guard let one = known.removeValue(forKey: key) else { return }
      table.detach(keys[key])
      table.attach(one.node, as: keys[new])
      known[new] = one
    }
  }

  /// A node that was being moved may have lost its name: the kernel knows its number and forgets it in the end.
  private func forgetNameless(_ nodes: Nodes, _ candidates: [NodeID]) {
    for node in candidates where nodes.slot(node).key == nil {
      if let forgotten = nodes.table.forget(node, .max) { nodes.table.recycle(forgotten) }
    }
  }

  /// What the table has of each key.
  private func found(_ nodes: Nodes, _ keys: [NodeKey]) -> [Int: Known] {
    var found: [Int: Known] = [:]
    for (number, key) in keys.enumerated() {
      guard let node = nodes.table.find(key) else { continue }
      found[number] = Known(node: node, lookups: nodes.slot(node).lookups)
    }
    return found
  }

  private func checkOthers(_ step: Step, _ before: [Int: Known], _ known: [Int: Known], _ seed: UInt64) {
    let touched: [Int]
    switch step {
    case .acquire(let key), .forget(let key, _), .detach(let key): touched = [key]
    case .move(let key, let new): touched = [key, new]
    }
    for (key, one) in before where !touched.contains(key) { #expect(known[key] == one, "seed \(seed), \(step)") }
  }

  @Test("threads that die together leave every slot in its chain or free", arguments: 1...6)
  func threads(seed: UInt64) async throws {
    let keys = Keys.identities(30)
    var random = SeededGenerator(seed: seed)
    for _ in 0..<8 {
      let nodes = try Nodes(maxNodes: 28)
      let death = Deaths(nodes.memory, before: Int.random(in: 100..<4_000, using: &random))
      let (table, number) = (nodes.table, random.next())
      await withTaskGroup(of: Void.self) { group in
        for thread in UInt64(0)..<4 {
          group.addTask {
            try? await OwnThread.run { death.run { work(table, keys, SeededGenerator(seed: number &+ thread)) } }
          }
        }
      }
      #expect(nodes.problems() == [], "seed \(seed)")
      guard let snapshot = death.snapshot else { continue }
      let next = try Nodes(maxNodes: 28, content: snapshot)
      #expect(next.problems() == [], "seed \(seed)")
      // Dead a second time, before it has served.
      try next.restart()
      #expect(next.problems() == [], "seed \(seed)")
    }
  }

  private func work(_ table: NodeTable, _ keys: [NodeKey], _ generator: SeededGenerator) {
    var random = generator
    var held: [NodeID] = []
    for _ in 0..<150 {
      if random.oneIn(2), let key = keys.randomElement(using: &random), let node = try? table.acquire(key).node {
        held.append(node)
      } else if !held.isEmpty {
        let node = held.remove(at: Int.random(in: 0..<held.count, using: &random))
        if let forgotten = table.forget(node, 1) { table.recycle(forgotten) }
      }
    }
    for node in held { if let forgotten = table.forget(node, 1) { table.recycle(forgotten) } }
  }

  @Test("a worker that dies while it takes over leaves the rest to the next")
  func whileTakingOver() throws {
    let keys = Keys.identities(10)
    for first in 0..<40 {
      let nodes = try Nodes(maxNodes: 12)
      for key in keys.prefix(6) { _ = try nodes.table.acquire(key) }
      let node = try #require(nodes.table.find(keys[2]))
      // Three threads died: one forgot, one made a node, one took a slot.
      _ = nodes.table.forget(node, 1)
      let death = Deaths(nodes.memory, before: first % 8)
      death.run { _ = try? nodes.table.acquire(keys[8]) }
      death.snapshot?.restore(to: nodes.memory)
      let second = Deaths(nodes.memory, before: first / 2)
      second.run { try? nodes.restart() }
      second.snapshot?.restore(to: nodes.memory)
      try nodes.restart()
      #expect(nodes.problems() == [], "\(first)")
      #expect(nodes.table.find(keys[2]) == nil)
      #expect(try nodes.table.acquire(keys[0]).node == 2)
    }
  }
}
