import Glibc
import LinuxSystem
import SystemPackage
import TestSupport
import Testing
import UnderFileSystem
import VolumeFileSystem

/// Each operation with a worker that dies before or after each of its steps, against the same operation undisturbed.
@Suite("a request whose worker dies is applied once and answered as ever", .requiresRoot)
struct CrashPointTests {
  private struct Outcome: Equatable {
    var answer: Result<Scenario.Answer, Errno>
    var files: [String]
  }

  /// - Parameter crashes: where each of the first workers dies.
  private func run(
    _ scenario: Scenario, _ ground: Ground, dyingAt crashes: [CrashPoint] = []
  ) throws -> (outcome: Outcome, volume: MortalVolume) {
    let volume = try MortalVolume(ground)
    let prepared = try Scenario.prepare(volume.files)
    let answer = try volume.perform(dyingAt: crashes) { (files, request) throws(Errno) in
      try scenario.operation(files, prepared, request)
    }
    // What the dead worker answered before its end is not asked for again.
    volume.files.resentRequestsAreDrained()
    #expect(volume.files.intentCount == 0, "\(scenario): \(crashes)")
    return (Outcome(answer: answer, files: try Tree.describe(try volume.base().root)), volume)
  }

  private func scenarios(_ ground: Ground) -> [Scenario] {
    Scenario.all.filter { ground != .names || !$0.needsIdentity }
  }

  @Test("at any one point", arguments: Ground.allCases)
  func once(ground: Ground) throws {
    var deaths = 0
    for scenario in scenarios(ground) {
      let expected = try run(scenario, ground).outcome
      for point in CrashPoint.allCases {
        let (outcome, volume) = try run(scenario, ground, dyingAt: [point])
        #expect(outcome == expected, "\(scenario): \(point)")
        deaths += volume.deaths
      }
    }
    #expect(Scenario.typical.count == 13)
    // Errors that are found before the intent leave some points out.
    #expect(deaths > scenarios(ground).count * 4)
  }

  @Test("and its successor dies with the same request, at any two points", arguments: [Ground.memory, .handles])
  func twice(ground: Ground) throws {
    for scenario in Scenario.typical {
      let expected = try run(scenario, ground).outcome
      for first in CrashPoint.allCases {
        for second in CrashPoint.allCases {
          let (outcome, _) = try run(scenario, ground, dyingAt: [first, second])
          #expect(outcome == expected, "\(scenario): \(first), \(second)")
        }
      }
    }
  }

  @Test("the comparison would notice operations that are applied twice: without the journal all typical ones differ")
  func canary() throws {
    for scenario in Scenario.typical {
      let expected = try run(scenario, .memory).outcome
      let volume = try MortalVolume(.memory)
      let prepared = try Scenario.prepare(volume.files)
      let answer = try volume.perform(dyingAt: [.afterApply], number: 0) { (files, request) throws(Errno) in
        try scenario.operation(files, prepared, request)
      }
      let outcome = Outcome(answer: answer, files: try Tree.describe(try volume.base().root))
      #expect(outcome != expected, "\(scenario)")
    }
  }

  @Test("ten workers in turn die at one point of one request", arguments: CrashPoint.allCases)
  func storm(point: CrashPoint) throws {
    for scenario in Scenario.typical {
      let expected = try run(scenario, .handles).outcome
      let (outcome, _) = try run(scenario, .handles, dyingAt: [CrashPoint](repeating: point, count: 10))
      #expect(outcome == expected, "\(scenario)")
    }
  }

  @Test("the lookup of an answer is counted once, so that its node goes when the kernel forgets it")
  func lookups() throws {
    for scenario in Scenario.all {
      for point in CrashPoint.allCases {
        let (outcome, volume) = try run(scenario, .memory, dyingAt: [point])
        guard case .success(let answer) = outcome.answer, let node = answer.node else { continue }
        let isKnown = !scenario.description.contains("new")
        // The count may be one too high when the worker dies between counting and recording.
        let counted: UInt64 = (isKnown ? 2 : 1) + (point == .afterCount ? UInt64(volume.deaths) : 0)
        volume.files.forget(node, counted - 1)
        #expect(throws: Never.self, "\(scenario): \(point)") { try volume.files.getAttributes(of: node) }
        volume.files.forget(node, 1)
        #expect(throws: Errno.staleNFSFileHandle, "\(scenario): \(point)") { try volume.files.getAttributes(of: node) }
      }
    }
  }

  @Test("a file that was created is open once, and readable and writable in the next worker")
  func open() throws {
    for point in CrashPoint.allCases {
      let volume = try MortalVolume(.handles)
      let made = try volume.perform(dyingAt: [point]) { (files, request) throws(Errno) in
        try files.create("n", in: rootNode, mode: 0o600, flags: O_RDWR | O_EXCL, caller: rootCaller, request: request)
      }.get()
      #expect(try volume.files.write(made.entry.node, made.open.handle, [1, 2, 3]) == 3)
      #expect(try volume.files.read(made.entry.node, made.open.handle, 10) == [1, 2, 3])
      // The count may be one too high when the worker dies between counting and recording.
      #expect(volume.opens(made.entry.node) == (point == .afterCount ? 2 : 1), "\(point)")
    }
  }

  @Test("a release that comes again does not close a file that somebody else has open")
  func release() throws {
    let volume = try MortalVolume(.handles)
    let (entry, open) = try volume.files.create(
      "n", in: rootNode, mode: 0o600, flags: O_RDWR, caller: rootCaller)
    _ = try volume.files.open(entry.node, flags: O_RDWR, caller: rootCaller)
    let number = Requests.nextNumber()
    volume.files.release(entry.node, handle: open.handle, request: RequestID(unique: number))
    #expect(volume.opens(entry.node) == 1)
    try volume.restart()
    volume.files.release(entry.node, handle: open.handle, request: Requests.resent(number))
    volume.files.answered(Requests.resent(number))
    #expect(volume.opens(entry.node) == 1)
    volume.files.release(entry.node, handle: open.handle, request: Requests.next())
    #expect(volume.opens(entry.node) == 0)
  }
}
