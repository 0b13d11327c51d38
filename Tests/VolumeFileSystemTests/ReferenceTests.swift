import TestSupport
import Testing
import UnderFileSystem
import VolumeFileSystem

extension Comparison {
  /// Records a difference, with the fewest operations that lead to one.
  static func check(
    _ operations: [Operation], _ dialect: Dialect = .posix, seed: UInt64, mortality: UInt64? = nil,
    on volume: () throws -> any Mortal
  ) throws {
    guard let difference = try run(operations, dialect, mortality: mortality, on: volume) else { return }
    let shortest = try shrink(operations, dialect, mortality: mortality, on: volume)
    let again = try run(shortest, dialect, mortality: mortality, on: volume)
    Issue.record("seed \(seed): \(difference); shrunk to \(shortest): \(again ?? "agrees")")
  }
}

/// Random operations against the reference model. A difference is shrunk and printed as the body of a regression test.
@Suite("random operations agree with the reference model", .requiresRoot)
struct ReferenceTests {
  /// A sequence of operations for one seed.
  /// - Parameter isMortal: workers die in the middle of operations; files are then not kept open.
  private func check(seed: UInt64, useHandles: Bool, descriptorLimit: Int?, isMortal: Bool = false) throws {
    var generator = SeededGenerator(seed: seed)
    let operations = (0..<400).map { _ in Operation.random(&generator) }.filter { operation in
      // Without handles each hard link is a node of its own, which the model does not know.
      if case .link = operation { return useHandles }
      if case .open = operation { return !isMortal }
      return true
    }
    let mortality = isMortal ? seed : nil
    try Comparison.check(operations, seed: seed, mortality: mortality) {
      try Volume(
        useHandles: useHandles, descriptorLimit: descriptorLimit, maxNodes: isMortal ? 256 : 4096, beneath: "/dev/shm")
    }
  }

  @Test("with file handles", arguments: 1...40)
  func handles(seed: UInt64) throws { try check(seed: seed, useHandles: true, descriptorLimit: nil) }

  @Test("with file handles and hardly any descriptors", arguments: 101...130)
  func fewDescriptors(seed: UInt64) throws { try check(seed: seed, useHandles: true, descriptorLimit: 1) }

  @Test("without file handles", arguments: 201...240)
  func names(seed: UInt64) throws { try check(seed: seed, useHandles: false, descriptorLimit: nil) }

  @Test("without file handles and with hardly any descriptors", arguments: 301...320)
  func fewDescriptorsAndNames(seed: UInt64) throws { try check(seed: seed, useHandles: false, descriptorLimit: 1) }

  @Test("with workers that die at random points of random operations", arguments: 401...420)
  func crashes(seed: UInt64) throws {
    try check(seed: seed, useHandles: true, descriptorLimit: nil, isMortal: true)
  }

  @Test("without file handles and with workers that die", arguments: 501...520)
  func crashesAndNames(seed: UInt64) throws {
    try check(seed: seed, useHandles: false, descriptorLimit: nil, isMortal: true)
  }

  @Test("the comparison would notice a file that goes missing and content that changes")
  func canary() throws {
    var comparison = Comparison(try Volume())
    #expect(comparison.step(.make(.file, 0, 1)) == nil)
    #expect(comparison.step(.open(0)) == nil)
    #expect(comparison.step(.write(0, 0, 10)) == nil)
    #expect(comparison.step(.read(0)) == nil)
    let node = try comparison.volume.files.lookup("n1", in: rootNode).node
    _ = try comparison.volume.files.write(node, HandleID(openFlags: 2), [99], at: 3)
    #expect(comparison.step(.read(0)) == "other content")
    try comparison.volume.files.unlink("n1", in: rootNode, caller: rootCaller)
    #expect(comparison.step(.list(0)) != nil)
    #expect(comparison.step(.lookup(0, 1)) != nil)
  }
}
