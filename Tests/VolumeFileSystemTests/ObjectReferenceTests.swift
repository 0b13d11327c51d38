import ServedBuckets
import TestSupport
import Testing
import UnderFileSystem

/// Random operations on object stores against the reference model.
@Suite("random operations on an object store agree with the reference model")
struct ObjectReferenceTests {
  private static func operations(_ seed: UInt64) -> [Operation] {
    var generator = SeededGenerator(seed: seed)
    return (0..<400).map { _ in Operation.random(&generator) }
  }

  /// Names are believed for ever, or for no time at all: nobody else is there.
  private static func timeout(_ seed: UInt64) -> UInt64 { seed % 2 == 0 ? 0 : 3_600_000_000_000 }

  @Test("in memory", arguments: 1...60)
  func inMemory(seed: UInt64) throws {
    try Comparison.check(Self.operations(seed), .objects, seed: seed) {
      try ObjectReferenceVolume(InMemoryBucket(), prefix: "data", timeout: Self.timeout(seed))
    }
  }

  @Test("with workers that die at random points of random operations", arguments: 201...220)
  func crashes(seed: UInt64) throws {
    try Comparison.check(Self.operations(seed), .objects, seed: seed, mortality: seed) {
      try ObjectReferenceVolume(InMemoryBucket(), prefix: "data", timeout: Self.timeout(seed))
    }
  }

  /// Parts of 16 bytes and more, so that files have many.
  @Test("in parts that are sent while files are written", arguments: 301...308, [false, true])
  func parts(seed: UInt64, isMortal: Bool) throws {
    var limits = SpoolLimits()
    limits.firstPart = 16
    let small = limits
    try Comparison.check(Self.operations(seed), .objectsInParts, seed: seed, mortality: isMortal ? seed : nil) {
      try ObjectReferenceVolume(InMemoryBucket(), prefix: "data", limits: small, timeout: Self.timeout(seed))
    }
  }

  @Test("in a store that ignores conditions and has short pages", arguments: 101...120)
  func simpleStore(seed: UInt64) throws {
    var manners = InMemoryBucket.Manners()
    manners.ignoresConditions = true
    manners.longestPage = 2
    let rules = manners
    try Comparison.check(Self.operations(seed), .objects, seed: seed) {
      try ObjectReferenceVolume(InMemoryBucket(rules), prefix: "data", timeout: Self.timeout(seed))
    }
  }
}

/// The same with a real server, alone and behind the fault proxy.
@Suite("random operations on a real object store agree with the reference model")
struct ServedReferenceTests {
  @Test("moto", arguments: 401...402)
  func moto(seed: UInt64) throws { try check(seed, behindFaults: false) }

  @Test("moto behind the fault proxy", arguments: 411...412)
  func faults(seed: UInt64) throws { try check(seed, behindFaults: true) }

  private func check(_ seed: UInt64, behindFaults: Bool) throws {
    var generator = SeededGenerator(seed: seed)
    let operations = (0..<120).map { _ in Operation.random(&generator) }
    try Comparison.check(operations, .objects, seed: seed) {
      let served = try ServedBucket(.moto, behind: behindFaults ? FaultSchedule.faults(seed: seed) : nil)
      return try ObjectReferenceVolume(served.bucket, prefix: served.name, timeout: 3_600_000_000_000)
    }
  }
}
