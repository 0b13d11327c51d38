import Glibc
import LinuxSystem
import Synchronization
import SystemPackage
import Testing
import UnderFileSystem
import ObjectStore

@Suite("what is asked of an object store, and what others change there")
struct ObjectCacheTests {
  @Test("a lookup is one listing, two where other names stand between a file and its directory")
  func lookups() throws {
    let volume = ObjectVolume()
    for name in ["plain", "d/x", "busy", "busy!", "busy-", "busy.txt"] { volume.bucket.set(ObjectKey("data/" + name)) }
    for (name, count) in [("plain", 1), ("d", 1), ("busy", 2), ("busy.txt", 1)] {
      #expect(try volume.requests { _ = try volume.node(name) } == [.list: count], "\(name)")
      #expect(try volume.requests { _ = try volume.node(name).attributes() } == [:], "\(name)")
    }
    for _ in 0..<2 { #expect(throws: Errno.noSuchFileOrDirectory) { try volume.node("none") } }
    #expect(volume.bucket.requestCount == 6)
  }

  @Test("what others change is seen when the timeouts are over, and not before")
  func timeouts() throws {
    let bucket = InMemoryBucket()
    let (patient, eager) = (ObjectVolume(bucket), ObjectVolume(bucket, timeout: 0))
    for volume in [patient, eager] { #expect(throws: Errno.noSuchFileOrDirectory) { try volume.node("f") } }
    bucket.set("data/f", "one")
    #expect(throws: Errno.noSuchFileOrDirectory) { try patient.node("f") }
    #expect(try eager.node("f").content() == "one")
    patient.ufs.update(entryTimeout: 0, attributeTimeout: 0)
    #expect(try patient.node("f").content() == "one")
    patient.ufs.update(entryTimeout: ObjectVolume.hour, attributeTimeout: ObjectVolume.hour)
    bucket.set("data/f", "three")
    #expect(try patient.node("f").attributes().size == 3)
    #expect(try eager.node("f").attributes().size == 5)
  }

  @Test("an open file is one version: when the object is replaced or removed it is stale", arguments: [false, true])
  func versions(ignoresConditions: Bool) throws {
    var manners = InMemoryBucket.Manners()
    manners.ignoresConditions = ignoresConditions
    let volume = ObjectVolume(InMemoryBucket(manners))
    volume.bucket.set("data/f", "first")
    let node = try volume.node("f")
    let file = try node.open(.read, caller: root)
    #expect(try file.read(3) == Array("fir".utf8))
    volume.bucket.set("data/f", "other")
    #expect(throws: Errno.staleNFSFileHandle) { try file.read(3, at: 2) }
    // The failed read was a look: the next open of the old node is stale, and the name has a new one.
    #expect(throws: Errno.staleNFSFileHandle) { try node.open(.read, caller: root) }
    #expect(try volume.node("f").content() == "other")
    let second = try volume.node("f").open(.read, caller: root)
    volume.bucket.remove("data/f")
    #expect(throws: Errno.staleNFSFileHandle) { try second.read() }
    #expect(throws: Errno.noSuchFileOrDirectory) { try volume.node("f") }
  }

  @Test("an object that is replaced by the same content is the same file")
  func sameContent() throws {
    let volume = ObjectVolume(timeout: 0)
    volume.bucket.set("data/f", "same")
    let node = try volume.node("f")
    volume.bucket.set("data/f", "same")
    #expect(try node.content() == "same")
  }

  @Test("reads are whole up to the end of the file, and a short answer is an error")
  func reads() throws {
    let volume = ObjectVolume()
    volume.bucket.set("data/f", "0123456789")
    let file = try volume.node("f").open(.read, caller: root)
    #expect(try file.read(4, at: 3) == Array("3456".utf8))
    #expect(try file.read(100, at: 8) == Array("89".utf8))
    #expect(try file.read(100, at: 10) == [])
    #expect(throws: Errno.invalidArgument) { try file.read(1, at: -1) }
    #expect(try file.seek(to: 3, whence: 3) == 3)
    #expect(try file.seek(to: 3, whence: 4) == 10)
    #expect(throws: Errno.noSuchAddressOrDevice) { try file.seek(to: 10, whence: 3) }
    #expect(throws: Errno.badFileDescriptor) { try file.write([1]) }
  }

  @Test("many that look for one name ask once")
  func singleFlight() throws {
    let gate = Gate()
    let bucket = InMemoryBucket { call, _, isDone in
      if call == .list, isDone { gate.pass() }
      return nil
    }
    bucket.set("data/f", "1")
    let volume = ObjectVolume(bucket, timeout: 0)
    let found = Mutex(0)
    let over = Gate()
    for _ in 0..<8 {
      try DetachedThread.start(name: "look", stackSize: 256 << 10) {
        if (try? volume.node("f")) != nil { found.withLock { $0 += 1 } }
        over.count()
      }
    }
    gate.waitForArrival()
    // Whoever comes now waits for the same answer; who comes later asks again.
    #expect(bucket.requestCount == 1)
    gate.open()
    over.wait(for: 8)
    #expect(found.withLock { $0 } == 8)
  }

  @Test("an answer that was under way while this mount changed the name is not believed")
  func lateAnswer() throws {
    let gate = Gate()
    let bucket = InMemoryBucket { call, key, isDone in
      if call == .list, isDone, key == "data/d" { gate.pass() }
      return nil
    }
    let volume = ObjectVolume(bucket)
    let over = Gate()
    let late = Mutex<Errno?>(nil)
    try DetachedThread.start(name: "look", stackSize: 256 << 10) {
      do throws(Errno) { _ = try volume.root.lookup("d") } catch { late.withLock { $0 = error } }
      over.count()
    }
    gate.waitForArrival()
    bucket.set("data/d/")
    // The listing of the root shows the directory, later than the lookup was asked.
    #expect(try volume.names() == ["d"])
    gate.open()
    over.wait(for: 1)
    #expect(late.withLock { $0 } == nil)
    #expect(try volume.node("d").attributes().isDirectory)
  }

  @Test("attributes are those that the semantics name")
  func attributes() throws {
    let volume = ObjectVolume()
    volume.bucket.set("data/d/f", "12345", lastModified: 1_000_000)
    let file = try volume.node("d/f").attributes()
    #expect(file.mode == FileType.regular | 0o644)
    #expect((file.uid, file.gid, file.linkCount) == (0, 0, 1))
    #expect(file.size == 5)
    #expect(file.modificationTime == 1_000_000_000_000_000)
    let directory = try volume.node("d").attributes()
    #expect(directory.mode == FileType.directory | 0o755)
    #expect(directory.modificationTime == ObjectVolume.mountTime)
    #expect(try volume.ufs.statistics().blocks * 4096 == 1 << 50)
  }

  @Test("what an object store cannot do is refused, and the log says so once for each sort of call")
  func refusals() throws {
    let volume = ObjectVolume()
    volume.bucket.set("data/f", "12345")
    let node = try volume.node("f")
    for _ in 0..<2 {
      #expect(throws: Errno.notSupported) { try node.set { $0.mode = 0o600 } }
      #expect(throws: Errno.notSupported) { try node.set { $0.uid = 5 } }
      #expect(throws: Errno.notSupported) { try node.set { $0.modificationTime = .at(5) } }
      #expect(throws: Errno.notSupported) { try volume.root.link(node, named: "g", caller: root) }
      #expect(throws: Errno.notSupported) { try volume.root.make(.symlink(target: [0x61]), "s") }
      #expect(throws: Errno.notSupported) { try volume.root.make(.special(mode: S_IFIFO, device: 0), "p") }
      #expect(throws: Errno.notSupported) {
        try node.setExtendedAttribute("user.a", to: [], flags: [], caller: root)
      }
      #expect(throws: Errno.notSupported) { try node.extendedAttribute("user.a") }
    }
    #expect(volume.log.refused == ["chmod", "chown", "utimensat", "link", "symlink", "mknod", "setxattr"])
    let attributes = try node.attributes()
    let same = try node.set {
      $0.mode = 0o644
      $0.uid = 0
      $0.size = 5
      $0.modificationTime = .at(attributes.modificationTime)
    }
    #expect(same == attributes)
  }

  @Test(
    "a store that refuses or cannot be reached is an error that the log explains",
    arguments: [
      (BucketError.Kind.forbidden, Errno.permissionDenied), (.unreachable, .ioError), (.other, .ioError),
    ])
  func failures(kind: BucketError.Kind, expected: Errno) throws {
    let faults = BucketFaults()
    let volume = ObjectVolume(InMemoryBucket(fault: faults.fault), timeout: 0)
    volume.bucket.set("data/f", "1")
    let file = try volume.node("f").open(.read, caller: root)
    faults.set { _, _, _ in BucketError(kind, "request 4711") }
    #expect(throws: expected) { try volume.root.lookup("f") }
    #expect(throws: expected) { try volume.root.names() }
    #expect(throws: expected) { try file.read() }
    #expect(throws: expected) { try volume.root.remove("f", directory: false, caller: root) }
    #expect(volume.log.failed.count == 4)
    #expect(volume.log.failed.allSatisfy { $0.contains("request 4711") })
  }
}

/// Lets threads wait for a test, and a test for threads.
final class Gate: Sendable {
  private let monitor = Monitor()
  private let changed: Condition
  private let state = Mutex<(isOpen: Bool, arrived: Int)>((false, 0))

  init() { changed = Condition(of: monitor) }

  func pass() {
    count()
    monitor.locked { while !state.withLock({ $0.isOpen }) { changed.wait() } }
  }

  func count() {
    monitor.locked {
      state.withLock { $0.arrived += 1 }
      changed.broadcast()
    }
  }

  func open() {
    monitor.locked {
      state.withLock { $0.isOpen = true }
      changed.broadcast()
    }
  }

  func waitForArrival() { wait(for: 1) }

  func wait(for number: Int) {
    monitor.locked { while state.withLock({ $0.arrived }) < number { changed.wait() } }
  }
}
