import Glibc
import ObjectStore
import SystemPackage
import Testing
import UnderFileSystem
import VolumeFileSystem

/// Operations on an object store whose worker dies before or after each of their steps.
@Suite("a request on an object store whose worker dies is applied once and answered as ever")
struct ObjectCrashTests {
  private static let never: UInt64 = 3_600_000_000_000

  private func volume() throws -> ObjectReferenceVolume {
    try ObjectReferenceVolume(InMemoryBucket(), prefix: "data", timeout: Self.never)
  }

  /// Files of these contents, in the root.
  private func model(_ files: [FileName: [UInt8]]) throws -> ReferenceModel {
    var model = ReferenceModel()
    for (name, content) in files { model.write(content, to: try model.make(.file, name, in: 0), at: 0) }
    return model
  }

  private static func create(
    _ files: VolumeFileSystem, _ request: RequestID
  ) throws(Errno) -> (entry: Entry, handle: HandleID) {
    let made = try files.create(
      "f", in: rootNode, mode: 0o644, flags: O_RDWR | O_EXCL, caller: rootCaller, request: request)
    return (made.entry, made.open.handle)
  }

  @Test("regression: a new file is in the store once it is closed, written or not", arguments: CrashPoint.allCases)
  func created(point: CrashPoint) throws {
    for content: [UInt8] in [[], [1, 2, 3]] {
      let volume = try volume()
      let (entry, handle) = try volume.perform(dyingAt: [point], Self.create).get()
      if !content.isEmpty { #expect(try volume.files.write(entry.node, handle, content) == 3) }
      volume.files.release(entry.node, handle: handle)
      let difference = try volume.difference(from: try model(["f": content]))
      #expect(difference == nil, "\(content.count) bytes")
    }
  }

  @Test("regression: close(2) brings a new file to the store, not its release later", arguments: CrashPoint.allCases)
  func flushed(point: CrashPoint) throws {
    let bucket = InMemoryBucket()
    let volume = try ObjectReferenceVolume(bucket, prefix: "data", timeout: Self.never)
    let (entry, handle) = try volume.perform(dyingAt: [point], Self.create).get()
    try volume.restart()
    try volume.files.flush(entry.node, handle: handle)
    #expect(bucket.keys == ["data/f"])
  }

  @Test("mknod(2) has made an object when it returns, and leaves nothing", arguments: CrashPoint.allCases)
  func node(point: CrashPoint) throws {
    let volume = try volume()
    _ = try volume.perform(dyingAt: [point]) { (files, request) throws(Errno) in
      try files.makeNode("f", in: rootNode, mode: 0o100644, device: 0, caller: rootCaller, request: request)
    }.get()
    #expect(try volume.difference(from: try model(["f": []])) == nil)
  }

  @Test("regression: the release of the last handle completes the file", arguments: CrashPoint.allCases)
  func released(point: CrashPoint) throws {
    let volume = try volume()
    let (entry, handle) = try volume.perform(dyingAt: [], Self.create).get()
    #expect(try volume.files.write(entry.node, handle, [1, 2, 3]) == 3)
    _ = try volume.perform(dyingAt: [point]) { (files, request) throws(Errno) in
      files.release(entry.node, handle: handle, request: request)
    }
    #expect(try volume.difference(from: try model(["f": [1, 2, 3]])) == nil)
  }

  @Test("regression: an exchange is refused, by the next worker as well", arguments: CrashPoint.allCases)
  func exchanged(point: CrashPoint) throws {
    let volume = try volume()
    try volume.files.makeFile("f", [1])
    try volume.files.makeFile("g", [2])
    let answer = try volume.perform(dyingAt: [point]) { (files, request) throws(Errno) in
      try files.rename(
        "f", in: rootNode, to: "g", in: rootNode, flags: .exchange, caller: rootCaller, request: request)
    }
    #expect(throws: Errno.invalidArgument) { try answer.get() }
    #expect(try volume.difference(from: try model(["f": [1], "g": [2]])) == nil)
  }

  @Test("regression: a file that this mount has written is removed", arguments: CrashPoint.allCases, [false, true])
  func removed(point: CrashPoint, isOpen: Bool) throws {
    let volume = try volume()
    let (entry, handle) = try volume.perform(dyingAt: [], Self.create).get()
    #expect(try volume.files.write(entry.node, handle, [1]) == 1)
    try volume.files.flush(entry.node, handle: handle)
    if !isOpen { volume.files.release(entry.node, handle: handle) }
    try volume.perform(dyingAt: [point]) { (files, request) throws(Errno) in
      try files.unlink("f", in: rootNode, caller: rootCaller, request: request)
    }.get()
    if isOpen { volume.files.release(entry.node, handle: handle) }
    #expect(try volume.difference(from: try model([:])) == nil)
  }

  @Test("regression: a file is renamed over another one of the same bytes", arguments: CrashPoint.allCases)
  func renamed(point: CrashPoint) throws {
    let bucket = InMemoryBucket()
    bucket.set("data/f", "a")
    bucket.set("data/g", "a")
    let volume = try ObjectReferenceVolume(bucket, prefix: "data", timeout: Self.never)
    try volume.perform(dyingAt: [point]) { (files, request) throws(Errno) in
      try files.rename("f", in: rootNode, to: "g", in: rootNode, flags: [], caller: rootCaller, request: request)
    }.get()
    #expect(try volume.difference(from: try model(["g": [0x61]])) == nil)
  }

  /// Those of object stores as well.
  private static let points = CrashPoint.allCases + CrashPoint.ofObjectStores

  @Test("a truncation without a handle is in the store when it is answered, and leaves nothing", arguments: points)
  func truncated(point: CrashPoint) throws {
    for size: Int64 in [0, 2, 5] {
      let volume = try volume()
      let entry = try volume.files.makeFile("f", [1, 2, 3])
      var change = AttributeChange()
      change.size = size
      let wanted = change
      let reply = try volume.perform(dyingAt: [point, point]) { (files, _) throws(Errno) in
        try files.setAttributes(wanted, of: entry.node, caller: rootCaller)
      }.get()
      #expect(reply.attributes.size == size)
      let content: [UInt8] = [1, 2, 3, 0, 0]
      #expect(try volume.difference(from: try model(["f": Array(content.prefix(Int(size)))])) == nil, "\(size)")
    }
  }

  @Test("a file whose worker died over its upload stays the same to those who have it open", arguments: points)
  func uploaded(point: CrashPoint) throws {
    let volume = try volume()
    let (entry, handle) = try volume.perform(dyingAt: [], Self.create).get()
    let reader = try volume.files.open(entry.node, flags: O_RDONLY, caller: rootCaller).handle
    #expect(try volume.files.write(entry.node, handle, [1, 2, 3]) == 3)
    try volume.perform(dyingAt: [point]) { (files, _) throws(Errno) in
      try files.flush(entry.node, handle: handle)
    }.get()
    volume.files.release(entry.node, handle: handle)
    #expect(try volume.files.read(entry.node, reader, 10) == [1, 2, 3])
    // What the worker before has not noted the next one has: the one after it finds it.
    try volume.restart()
    #expect(try volume.files.read(entry.node, reader, 10) == [1, 2, 3])
    #expect(try volume.files.lookup("f", in: rootNode).node == entry.node)
    volume.files.release(entry.node, handle: reader)
    #expect(try volume.difference(from: try model(["f": [1, 2, 3]])) == nil)
  }

  @Test(
    "of several releases that a worker had in its hands each is counted once",
    arguments: [CrashPoint.beforeIntent, .afterIntent, .afterCount, .afterDone, .afterReply])
  func releasedTogether(point: CrashPoint) throws {
    let volume = try volume()
    let (entry, handle) = try volume.perform(dyingAt: [], Self.create).get()
    let others = try (0..<2).map { _ in try volume.files.open(entry.node, flags: O_RDWR, caller: rootCaller).handle }
    #expect(try volume.files.write(entry.node, handle, [1, 2, 3]) == 3)
    // Counted, and not answered.
    let number = Requests.nextNumber()
    volume.files.release(entry.node, handle: others[0], request: RequestID(unique: number))
    _ = try volume.perform(dyingAt: [point]) { (files, request) throws(Errno) in
      files.release(entry.node, handle: others[1], request: request)
    }
    volume.files.release(entry.node, handle: others[0], request: Requests.resent(number))
    // One handle is open: what is written is seen, and goes to the store with its close.
    #expect(try volume.spoolCount == 1)
    #expect(try volume.files.write(entry.node, handle, [4]) == 1)
    volume.files.release(entry.node, handle: handle)
    #expect(try volume.difference(from: try model(["f": [4, 2, 3]])) == nil)
  }

  @Test(
    "what a dead worker was the last to have open goes to the store when all repetitions are done",
    arguments: [false, true])
  func leftOver(isOpen: Bool) throws {
    let volume = try volume()
    let (entry, handle) = try volume.perform(dyingAt: [], Self.create).get()
    #expect(try volume.files.write(entry.node, handle, [1, 2, 3]) == 3)
    if !isOpen {
      // The kernel does not say again that it was closed.
      volume.files.crashes.set { (point) throws(Errno) in if point == .afterCount { throw .interrupted } }
      volume.files.release(entry.node, handle: handle)
    }
    try volume.restart()
    #expect(volume.files.waitsForResentRequests)
    volume.files.resentRequestsAreDrained()
    #expect(try volume.spoolCount == (isOpen ? 1 : 0))
    if isOpen { volume.files.release(entry.node, handle: handle) }
    #expect(!volume.files.waitsForResentRequests)
    #expect(try volume.difference(from: try model(["f": [1, 2, 3]])) == nil)
  }

  @Test("a file that is open is renamed once, and stays the same to those who have it open", arguments: points)
  func renamedOpen(point: CrashPoint) throws {
    for flags: RenameFlags in [[], .noReplace] {
      let volume = try volume()
      let (entry, handle) = try volume.perform(dyingAt: [], Self.create).get()
      #expect(try volume.files.write(entry.node, handle, [1, 2, 3]) == 3)
      try volume.files.flush(entry.node, handle: handle)
      let reader = try volume.files.open(entry.node, flags: O_RDONLY, caller: rootCaller).handle
      try volume.perform(dyingAt: [point, point]) { (files, request) throws(Errno) in
        try files.rename("f", in: rootNode, to: "g", in: rootNode, flags: flags, caller: rootCaller, request: request)
      }.get()
      #expect(try volume.files.read(entry.node, reader, 10) == [1, 2, 3])
      #expect(try volume.files.lookup("g", in: rootNode).node == entry.node)
      #expect(try volume.files.write(entry.node, handle, [4]) == 1)
      try volume.files.flush(entry.node, handle: handle)
      #expect(try volume.files.read(entry.node, reader, 10) == [4, 2, 3])
      for handle in [handle, reader] { volume.files.release(entry.node, handle: handle) }
      #expect(try volume.difference(from: try model(["g": [4, 2, 3]])) == nil, "\(flags)")
    }
  }

  @Test("a file that is not open is renamed to a new name once", arguments: points)
  func renamedToNew(point: CrashPoint) throws {
    let bucket = InMemoryBucket()
    bucket.set("data/f", "a")
    let volume = try ObjectReferenceVolume(bucket, prefix: "data", timeout: Self.never)
    try volume.perform(dyingAt: [point, point]) { (files, request) throws(Errno) in
      try files.rename(
        "f", in: rootNode, to: "g", in: rootNode, flags: .noReplace, caller: rootCaller, request: request)
    }.get()
    #expect(try volume.difference(from: try model(["g": [0x61]])) == nil)
  }

  @Test("a rename that died before its copy finds somebody else's object there, and leaves both")
  func renamedMeanwhile() throws {
    let bucket = InMemoryBucket()
    bucket.set("data/f", "a")
    let volume = try ObjectReferenceVolume(bucket, prefix: "data", timeout: Self.never)
    let answer = try volume.perform(
      dyingAt: [.afterIntent], meanwhile: { _ in bucket.set("data/g", "b") }
    ) { (files, request) throws(Errno) in
      try files.rename(
        "f", in: rootNode, to: "g", in: rootNode, flags: .noReplace, caller: rootCaller, request: request)
    }
    #expect(throws: Errno.fileExists) { try answer.get() }
    #expect(try volume.difference(from: try model(["f": [0x61], "g": [0x62]])) == nil)
  }

  @Test("regression: a directory is not made where one is", arguments: CrashPoint.allCases)
  func madeDirectory(point: CrashPoint) throws {
    let volume = try volume()
    try volume.files.makeDirectory("d", in: rootNode, mode: 0o755, caller: rootCaller)
    let answer = try volume.perform(dyingAt: [point]) { (files, request) throws(Errno) in
      try files.makeDirectory("d", in: rootNode, mode: 0o755, caller: rootCaller, request: request)
    }
    #expect(throws: Errno.fileExists) { try answer.get() }
  }

  @Test("regression: a directory is renamed over an empty one", arguments: CrashPoint.allCases)
  func renamedDirectory(point: CrashPoint) throws {
    let volume = try volume()
    let directory = try volume.files.makeDirectory("d", in: rootNode, mode: 0o755, caller: rootCaller)
    try volume.files.makeFile("f", in: directory.node, [1])
    try volume.files.makeDirectory("e", in: rootNode, mode: 0o755, caller: rootCaller)
    try volume.perform(dyingAt: [point]) { (files, request) throws(Errno) in
      try files.rename("d", in: rootNode, to: "e", in: rootNode, flags: [], caller: rootCaller, request: request)
    }.get()
    var model = ReferenceModel()
    let moved = try model.make(.directory, "e", in: 0)
    model.write([1], to: try model.make(.file, "f", in: moved), at: 0)
    #expect(try volume.difference(from: model) == nil)
  }
}
