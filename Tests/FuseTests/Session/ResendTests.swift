import Glibc
import SystemPackage
import TestSupport
import Testing
import UnderFileSystem
import VolumeFileSystem

@testable import Fuse

/// Requests that a dead worker had read, with the test as the kernel.
@Suite("Requests that come again to the next session")
struct ResendTests {
  private static let getattr = Words.of([0, 0])
  private static let resent: UInt64 = 1 << 63

  /// What a worker leaves that dies behind its work and before its answers.
  private func leave(_ volume: LooseVolume, _ numbers: [UInt64]) throws -> [Entry] {
    try numbers.map { number in
      try volume.fileSystem.makeDirectory(
        FileName(bytes: "d\(number)".utf8), in: 1, mode: 0o755, caller: Caller(uid: 0, gid: 0, pid: 0),
        request: RequestID(unique: number))
    }
  }

  /// Unmarked requests until `condition` holds, since a session knows a little after its answer what it has done.
  private func ask(_ connection: RawConnection, until condition: () -> Bool) throws {
    for unique in 1000...3000 as ClosedRange<UInt64> where !condition() {
      #expect(try connection.ask(.getattr, unique: 2 * unique, Self.getattr)?.error == 0)
    }
  }

  @Test("one that was done is answered with the node that it made, and not done again")
  func answered() throws {
    let volume = try LooseVolume()
    let entries = try leave(volume, [10])
    let next = try volume.successor()
    let connection = try RawConnection(next)
    try connection.session.start()
    let body = Words.of([0o755], names: ["d10"])
    let answer = try #require(try connection.ask(.mkdir, unique: 10 | Self.resent, body))
    #expect(answer.error == 0 && answer.unique == 10 | Self.resent)
    #expect(answer.word(0) == entries[0].node && answer.word(1) == entries[0].generation)
    // Without the mark it is another request.
    #expect(try connection.ask(.mkdir, unique: 12, body)?.error == -EEXIST)
    #expect(connection.end() == .stopped)
    #expect(next.intentCount == 0)
  }

  @Test("what nobody asks for again is swept when all that was resent is answered, and not before")
  func swept() throws {
    let gate = try Gate()
    let base = FaultyFileSystem(InMemoryFileSystem()) { call in
      if call == .statistics { gate.pass() }
      return nil
    }
    let volume = try LooseVolume(base)
    _ = try leave(volume, [10, 12, 14])
    let next = try volume.successor()
    let connection = try RawConnection(next)
    try connection.session.start()
    // The kernel queues what it resends before all else. The last of it hangs.
    let first = try connection.ask(.mkdir, unique: 10 | Self.resent, Words.of([0o755], names: ["d10"]))
    #expect(first?.error == 0)
    try connection.send(.statfs, unique: 16 | Self.resent)
    try gate.untilReached()
    try connection.send(.forget, unique: 18, node: 1, Words.of([1]))
    for unique in 20...80 as ClosedRange<UInt64> {
      #expect(try connection.ask(.getattr, unique: 2 * unique, Self.getattr)?.error == 0)
    }
    #expect(next.hasUnclaimedIntents && next.intentCount >= 2)
    gate.open()
    #expect(try connection.answer()?.unique == 16 | Self.resent)
    try ask(connection) { !next.hasUnclaimedIntents }
    #expect(!next.hasUnclaimedIntents)
    #expect(connection.end() == .stopped)
    #expect(next.intentCount == 0)
  }

  @Test("a session without anything left behind it keeps no count of its readers' turns")
  func nothingLeft() throws {
    let volume = try LooseVolume()
    let drain = ResendDrain(volume.fileSystem)
    let turn = drain.begin()
    #expect(!turn)
    drain.took(opcode: 1, isResent: false)
    drain.end(turn)
  }

  @Test(
    "forgets and interrupts say nothing of what is resent, as they have queues of their own", arguments: [2, 36, 42])
  func otherQueues(opcode: UInt32) throws {
    let volume = try LooseVolume()
    _ = try leave(volume, [10])
    let next = try volume.successor()
    let drain = ResendDrain(next)
    let turns = [drain.begin(), drain.begin()]
    drain.took(opcode: opcode, isResent: false)
    drain.end(turns[0])
    #expect(drain.begin() && next.hasUnclaimedIntents)
    drain.end(true)
    drain.took(opcode: Opcode.getattr.rawValue, isResent: false)
    // From here on turns are not waited for.
    #expect(!drain.begin())
    #expect(next.hasUnclaimedIntents)
    drain.end(turns[1])
    #expect(!next.hasUnclaimedIntents)
  }
}
