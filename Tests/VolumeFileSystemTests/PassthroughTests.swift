import Glibc
import LinuxSystem
import Synchronization
import SystemPackage
import TestSupport
import Testing
import UnderFileSystem
import VolumeFileSystem
import VolumeModel

/// A kernel and a mounter as far as registrations go: each node has one number until it is closed, and no number comes twice.
final class Registrations: BackingFileRegistry {
  struct State {
    var ids: [NodeID: Int32] = [:]
    var last: Int32 = 0
    var asked = 0
    var refuses = false
    var isOff = false
  }
  private let state = Mutex(State())

  var now: State { state.withLock { $0 } }
  var isOff: Bool { now.isOff }
  func turnOff() { state.withLock { $0.isOff = true } }
  func refuse(_ refuses: Bool) { state.withLock { $0.refuses = refuses } }

  func open(_ node: NodeID, descriptor: CInt) -> Int32? {
    state.withLock { state in
      state.asked += 1
      if state.refuses { return nil }
      if let id = state.ids[node] { return id }
      state.last += 1
      state.ids[node] = state.last
      return state.last
    }
  }

  func close(_ node: NodeID, _ id: Int32) { state.withLock { $0.ids[node] = nil } }
}

@Suite("files that the kernel reads and writes itself", .requiresRoot)
struct PassthroughTests {
  private let registrations = Registrations()

  private func volume(smallest: Int64 = 100, useHandles: Bool = true) throws -> Volume {
    try Volume(
      useHandles: useHandles, beneath: "/dev/shm",
      passthrough: PassthroughPolicy(registry: registrations, smallest: smallest))
  }

  /// A closed file of 200 bytes.
  private func file(_ volume: Volume, _ name: FileName = "f", size: Int = 200, mode: UInt32 = 0o644) throws -> NodeID {
    try volume.files.makeFile(name, [UInt8](repeating: 1, count: size), mode: mode).node
  }

  private func open(_ volume: Volume, _ node: NodeID, _ flags: Int32 = O_RDWR) throws(Errno) -> OpenReply {
    try volume.files.open(node, flags: flags, caller: rootCaller)
  }

  @Test("every open of a node has the number of the first one, and after the last close there is another number")
  func oneNumber() throws {
    let volume = try volume()
    let node = try file(volume)
    let (first, second) = (try open(volume, node), try open(volume, node, O_RDONLY))
    #expect(first.backing == 1 && second.backing == 1)
    volume.files.release(node, handle: first.handle)
    let third = try open(volume, node)
    #expect(third.backing == 1)
    for handle in [second.handle, third.handle] { volume.files.release(node, handle: handle) }
    #expect(registrations.now.ids.isEmpty)
    #expect(try open(volume, node).backing == 2)
  }

  @Test("opens before and behind the death of workers have one number, and the last close ends it")
  func deaths() throws {
    let volume = try volume()
    let node = try file(volume)
    var handles: [HandleID] = []
    for _ in 0..<3 {
      let reply = try open(volume, node)
      #expect(reply.backing == 1)
      handles.append(reply.handle)
      try volume.restart()
    }
    #expect(registrations.now.asked == 1)
    for handle in handles { volume.files.release(node, handle: handle) }
    #expect(registrations.now.ids.isEmpty)
  }

  @Test("small files, new ones and files with setuid or setgid stay with the worker until their last close")
  func served() throws {
    let volume = try volume()
    let (small, privileged) = (try file(volume, "s", size: 99), try file(volume, "p"))
    var change = AttributeChange()
    change.mode = 0o2755
    _ = try volume.files.setAttributes(change, of: privileged, caller: rootCaller)
    let created = try volume.files.create(
      "n", in: rootNode, mode: 0o600, flags: O_RDWR | O_EXCL, caller: rootCaller)
    let bytes = [UInt8](repeating: 2, count: 300)
    _ = try volume.files.write(created.entry.node, created.open.handle, bytes)
    let opened = try open(volume, small)
    _ = try volume.files.write(small, opened.handle, bytes)
    for (node, handle) in [(small, opened.handle), (created.entry.node, created.open.handle)] {
      // Large by now, and open: nothing is mixed.
      let second = try open(volume, node)
      #expect(second.backing == 0)
      volume.files.release(node, handle: handle)
      volume.files.release(node, handle: second.handle)
      #expect(try open(volume, node).backing > 0)
    }
    #expect(try open(volume, privileged).backing == 0)
  }

  @Test("what the kernel refuses is served by the worker, and asked for again when nobody has it open")
  func refused() throws {
    let volume = try volume()
    let node = try file(volume)
    registrations.refuse(true)
    let first = try open(volume, node)
    registrations.refuse(false)
    let second = try open(volume, node)
    #expect(first.backing == 0 && second.backing == 0)
    try volume.restart()
    let third = try open(volume, node)
    #expect(third.backing == 0 && registrations.now.asked == 1)
    for reply in [first, second, third] { volume.files.release(node, handle: reply.handle) }
    #expect(try open(volume, node).backing == 1)
  }

  @Test("a worker that dies while it asks leaves a file that is served, and a number that goes with the last close")
  func diedAsking() throws {
    let volume = try volume()
    let node = try file(volume)
    // As the dead worker left it: counted, asked for, and no answer stored.
    _ = registrations.open(node, descriptor: 0)
    volume.setOpens(node, 1, backing: -1)
    let second = try open(volume, node)
    #expect(second.backing == 0)
    volume.files.release(node, handle: second.handle)
    volume.files.release(node, handle: second.handle)
    #expect(registrations.now.ids.isEmpty)
  }

  @Test("a number that a worker left without an open is asked for anew")
  func leftOver() throws {
    let volume = try volume()
    let node = try file(volume)
    volume.setOpens(node, 0, backing: 77)
    #expect(try open(volume, node).backing == 1)
  }

  @Test("files that the version before had open are served until they are closed")
  func versionBefore() throws {
    let volume = try volume()
    let node = try file(volume)
    volume.setOpens(node, 1, backing: 0)
    volume.memory.store(SharedStateLayout.version - 1, at: SharedStateLayout.versionOffset)
    try volume.restart()
    let second = try open(volume, node)
    #expect(second.backing == 0)
    volume.files.release(node, handle: second.handle)
    volume.files.release(node, handle: second.handle)
    #expect(try open(volume, node).backing > 0)
  }

  @Test("the version before refuses a state in which the kernel has been given a file, and no other")
  func featureBit() throws {
    let volume = try volume()
    let node = try file(volume)
    #expect(volume.memory.load(UInt64.self, at: SharedStateLayout.featuresOffset) == 0)
    _ = try open(volume, node)
    #expect(volume.memory.load(UInt64.self, at: SharedStateLayout.featuresOffset) == 1)
  }

  @Test("a file without a name that the kernel reads itself needs no descriptor in custody")
  func nameless() throws {
    let volume = try volume()
    let node = try file(volume)
    let reply = try open(volume, node)
    try volume.files.unlink("f", in: rootNode, caller: rootCaller)
    #expect(reply.backing > 0 && volume.custody.nodes == [])
    volume.files.release(node, handle: reply.handle)
    #expect(registrations.now.ids.isEmpty)
  }

  @Test("a forgotten node has no number any more")
  func forgotten() throws {
    let volume = try volume()
    let node = try file(volume)
    _ = try open(volume, node)
    volume.files.forget(node, 1)
    #expect(registrations.now.ids.isEmpty)
  }

  @Test("nodes without file handles are served by the worker")
  func withoutHandles() throws {
    let volume = try volume(useHandles: false)
    #expect(try open(volume, try file(volume)).backing == 0)
    #expect(registrations.now.asked == 0)
  }

  @Test("threads that open and close one file all have the number of that moment")
  func threads() async throws {
    let volume = try volume()
    let node = try file(volume)
    let registrations = registrations
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<4 {
        group.addTask {
          try? await OwnThread.run {
            for _ in 0..<2_000 {
              let reply = try volume.files.open(node, flags: O_RDONLY, caller: rootCaller)
              let id = registrations.now.ids[node]
              #expect(reply.backing > 0 && reply.backing == id)
              volume.files.release(node, handle: reply.handle)
            }
          }
        }
      }
    }
    #expect(registrations.now.ids.isEmpty)
  }

  @Test("an open that fails is not counted")
  func failed() throws {
    let volume = try volume()
    let node = try file(volume)
    let reply = try open(volume, node)
    #expect(throws: Errno.isDirectory) { try open(volume, rootNode) }
    volume.files.release(node, handle: reply.handle)
    #expect(registrations.now.ids.isEmpty)
  }
}
