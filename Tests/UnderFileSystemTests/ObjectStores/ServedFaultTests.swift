import LinuxSystem
import ObjectStore
import ObjectStoreServers
import ServedBuckets
import SystemPackage
import TestSupport
import Testing

@testable import UnderFileSystem

/// Real servers behind the fault proxy: what nobody may notice, and exactly what may be noticed where something must.
@Suite("files of a real object store behind faults", .serialized, .requiresRoot)
struct ServedFaultTests {
  private static let content = letters(300_000)

  @Test("each fault of the schedule acts, and every file is what was written to it")
  func schedule() throws {
    let volume = try ServedVolume(.moto, behind: FaultSchedule.faults(seed: 1))
    var expected: [FileName: [UInt8]] = [:]
    for index in 0..<70 {
      let name = FileName(bytes: "f\(index)".utf8)
      let content = letters(40 + index * 3, from: index)
      try volume.root.makeFile(name, String(decoding: content, as: UTF8.self))
      #expect(try volume.root.lookup(name).node.content() == String(decoding: content, as: UTF8.self))
      expected[name] = content
      if index % 9 == 0 {
        let new = FileName(bytes: "g\(index)".utf8)
        try volume.root.rename(name, to: volume.root, named: new, flags: .noReplace, caller: root)
        expected[new] = expected.removeValue(forKey: name)
      }
      if index % 11 == 0 {
        try volume.root.remove(name == "f0" ? "g0" : name, directory: false, caller: root)
        expected[name == "f0" ? "g0" : name] = nil
      }
    }
    #expect(Set(try volume.root.names()) == Set(expected.keys))
    for (name, content) in expected {
      let found = try volume.root.lookup(name).node.content()
      #expect(found == String(decoding: content, as: UTF8.self), "\(name)")
    }
    for (name, count) in zip(FaultSchedule.names, try volume.served.injected()) {
      #expect(count > 0, "nothing was seen of \(name)")
    }
    #expect(volume.log.failed == [])
  }

  @Test(
    "a file of several parts is whole, whatever happens to one of each sort of its requests",
    arguments: [
      Fault.reset(after: nil), .error(500, "InternalError"), .error(503, "SlowDown"), .noise,
      .clockSkew(seconds: 100),
    ])
  func parts(fault: Fault) throws {
    let faults = [("POST", "uploads"), ("PUT", "partNumber"), ("GET", "/f")].map {
      fault.on(method: $0.0, path: $0.1)
    }
    var limits = SpoolLimits()
    limits.firstPart = 5 << 20
    let volume = try ServedVolume(.moto, behind: faults, limits: limits)
    let file = try #require(try volume.root.make(.file(mode: 0o644), "f").file)
    let piece = letters(1 << 20)
    for number in 0..<11 { try file.write(piece, at: Int64(number) << 20) }
    try file.write([7], at: 11 << 20)
    try file.flush()
    let node = try volume.root.lookup("f").node
    node.lastWriterClosed()
    #expect(try node.attributes().size == 11 << 20 + 1)
    let open = try node.open(.read, caller: root)
    for number in 0..<11 {
      let isRight = try open.read(1 << 20, at: Int64(number) << 20) == piece
      #expect(isRight)
    }
    #expect(try open.read(10, at: 11 << 20) == [7])
    #expect(try volume.served.injected() == [1, 1, 1])
  }

  @Test(
    "a change whose answer is lost is done once and nobody hears of it",
    arguments: ServedBucket.Service.allCases,
    [Fault.reset(after: nil), .error(500, "InternalError"), .truncate(after: 4)])
  func lostAnswers(service: ServedBucket.Service, fault: Fault) throws {
    var lost = fault
    lost.forward = true
    let volume = try ServedVolume(service, behind: [lost.on(method: "PUT|DELETE", count: 0).every(2)])
    let r = volume.root
    try r.makeFile("a", "one")
    try r.rename("a", to: r, named: "b", flags: .noReplace, caller: root)
    try r.rename("b", to: r, named: "c", flags: [], caller: root)
    #expect(try r.names() == ["c"])
    #expect(try r.lookup("c").node.content() == "one")
    if service == .moto {
      try r.make(.directory(mode: 0o755), "d")
      #expect(throws: Errno.fileExists) { try r.make(.directory(mode: 0o755), "d") }
      try r.rename("c", to: try r.lookup("d").node, named: "c", flags: [], caller: root)
      try r.rename("d", to: r, named: "e", flags: .noReplace, caller: root)
      let moved = try r.lookup("e").node
      #expect(try moved.lookup("c").node.content() == "one")
      try moved.remove("c", directory: false, caller: root)
      try r.remove("e", directory: true, caller: root)
    } else {
      try r.remove("c", directory: false, caller: root)
    }
    #expect(try r.names() == [])
    #expect(try volume.served.injected()[0] > 1)
    #expect(volume.log.failed == [])
  }

  @Test("answers to two requests that are exchanged are asked for again")
  func exchanged() throws {
    let volume = try ServedVolume(.moto, behind: [Fault.swap.on(method: "GET", path: "list-type", nth: 5, count: 2)])
    try volume.root.makeFile("one", "1")
    try volume.root.makeFile("two", "22")
    // Requests so far were the volume's own, one after another.
    let names: [FileName] = ["one", "two"]
    let root = volume.root
    var rounds = 0
    while try volume.served.injected()[0] < 2, rounds < 20 {
      rounds += 1
      try ParallelCalls.run(2, width: 2) { index throws(Errno) in
        let size = try root.lookup(names[index]).attributes.size
        guard size == index + 1 else { throw .ioError }
      }
    }
    #expect(try volume.served.injected() == [2])
  }

  // MARK: What must be noticed

  @Test("a service that fails for long is an error with a line in the log, and none once it has recovered")
  func outage() throws {
    let volume = try ServedVolume(.moto, behind: [Fault.error(503, "SlowDown").on(method: "PUT", nth: 2, count: 8)])
    try volume.root.makeFile("f", "first")
    let file = try volume.root.lookup("f").node.open(.readWrite, caller: root)
    try file.truncate(to: 0)
    try file.write(letters(10))
    #expect(throws: Errno.ioError) { try file.flush() }
    #expect(volume.log.failed.count == 1)
    #expect(volume.log.failed.first?.contains("FAULT0000000001") == true, "\(volume.log.failed)")
    // The bytes are in the spool, and others see the old version meanwhile.
    #expect(try file.read() == letters(10))
    try file.flush()
    try volume.root.lookup("f").node.lastWriterClosed()
    #expect(try volume.root.lookup("f").node.content() == String(decoding: letters(10), as: UTF8.self))
  }

  @Test("a file that another machine makes meanwhile is not replaced: close is EEXIST")
  func exclusive() throws {
    let volume = try ServedVolume(.moto, behind: [])
    let made = try volume.root.make(.file(mode: 0o644), "f")
    let file = try #require(made.file)
    try file.write(letters(10))
    let key = ObjectKey("\(volume.served.name)/f")
    _ = try volume.served.bucket.put(key, .bytes(letters(3)), ifAbsent: false)
    #expect(throws: Errno.fileExists) { try file.flush() }
    #expect(throws: Errno.fileExists) { try file.flush() }
    try volume.root.lookup("f").node.lastWriterClosed()
    #expect(try volume.served.bucket.head(key).size == 3)
  }

  @Test("a refusal is EACCES, at once and with a line in the log, and changes nothing")
  func refused() throws {
    let fault = Fault.error(403, "AccessDenied").on(method: "DELETE", count: 0)
    let volume = try ServedVolume(.moto, behind: [fault])
    try volume.root.makeFile("f", "content")
    #expect(throws: Errno.permissionDenied) { try volume.root.remove("f", directory: false, caller: root) }
    #expect(volume.log.failed.count == 1)
    #expect(try volume.root.lookup("f").node.content() == "content")
    // A rename copies first: both are there.
    #expect(throws: Errno.permissionDenied) {
      try volume.root.rename("f", to: volume.root, named: "g", flags: [], caller: root)
    }
    #expect(try volume.root.names() == ["f", "g"])
    #expect(try volume.served.injected() == [2])
  }

  @Test("an object that was replaced is stale to who has it open, and new to who opens it", arguments: [false, true])
  func replaced(isFaulty: Bool) throws {
    let faults = isFaulty ? [Fault.reset(after: 5).on(method: "GET", path: "/f", count: 0).every(2)] : []
    for service in ServedBucket.Service.allCases {
      let volume = try ServedVolume(service, behind: faults)
      let key = ObjectKey("\(volume.served.name)/f")
      _ = try volume.served.bucket.put(key, .bytes(Self.content), ifAbsent: false)
      let open = try volume.root.lookup("f").node.open(.read, caller: root)
      let isRight = try open.read(400_000) == Self.content
      #expect(isRight)
      _ = try volume.served.bucket.put(key, .bytes(Array("other".utf8)), ifAbsent: false)
      #expect(throws: Errno.staleNFSFileHandle) { try open.read(10, at: 1000) }
      #expect(throws: Errno.staleNFSFileHandle) { try open.read(3) }
      #expect(try volume.root.lookup("f").node.content() == "other")
    }
  }
}

extension Fault {
  /// Acts on each so many of its matches, from the first on.
  fileprivate func every(_ interval: Int) -> Fault {
    var fault = self
    fault.every = interval
    return fault
  }
}
