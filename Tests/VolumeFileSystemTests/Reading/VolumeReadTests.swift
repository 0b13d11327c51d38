import Glibc
import LinuxSystem
import Synchronization
import SystemPackage
import TestSupport
import Testing
import UnderFileSystem
import VolumeModel

@testable import VolumeFileSystem

@Suite("volumes whose files come over a network")
struct VolumeReadTests {
  /// A volume with one file of that size, and the file's node.
  private func volume(
    size: Int64, calls: Events<ScriptedFile.Call>? = nil, descriptorLimit: Int? = nil,
    cache: (any PageCache)? = nil
  ) throws -> (VolumeFileSystem, NodeID) {
    let state = try Memfd.create(name: "volume-test", byteCount: SharedStateLayout.size(maxNodes: 1 << 10))
    try state.writeAll(SharedStateLayout.header(maxNodes: 1 << 10, initRequest: [1], initReply: [2]) ?? [])
    try Memfd.seal(state, .shrink)
    let files = try VolumeFileSystem(
      underFileSystem: RangedFileSystem(InMemoryFileSystem(), calls: calls), state: try SharedState(descriptor: state),
      options: WorkerOptions(), reading: ReadPolicy(memoryBudget: 4 << 20, idleTime: .zero, cache: cache),
      descriptorLimit: descriptorLimit)
    let entry = try files.makeFile("file")
    let open = try files.open(entry.node, flags: O_RDWR, caller: rootCaller)
    _ = try files.write(entry.node, open.handle, [1], at: size - 1)
    files.release(entry.node, handle: open.handle)
    return (files, entry.node)
  }

  @Test("reads, and what status shows of them")
  func reads() throws {
    let (files, node) = try volume(size: 5 << 20)
    #expect(files.readStatistics == ReadStatistics())
    let open = try files.open(node, flags: O_RDONLY, caller: rootCaller)
    let source = ScriptedFile(size: 5 << 20)
    for place in 0..<5 {
      let bytes = try files.read(node, open.handle, 1 << 20, at: Int64(place) << 20)
      #expect(source.has(bytes, at: Int64(place) << 20))
    }
    let statistics = files.readStatistics
    #expect(statistics.bytesFetched == 5 << 20, "\(statistics)")
    #expect(statistics.bytesFromMemory == 5 << 20)
    #expect(statistics.openFiles == 1 && statistics.memoryBudget == 4 << 20)
    files.release(node, handle: open.handle)
    #expect(files.readStatistics.openFiles == 0)
    #expect(files.readStatistics.memoryInUse == 0)
  }

  @Test("how much of a file is on the node can be asked by an extended attribute")
  func cachedBytes() throws {
    let cache = PagesInMemory()
    let (files, node) = try volume(size: (2 << 20) + 10, cache: cache)
    let name: FileName = "user.alluxio.cached"
    func value() throws(Errno) -> String {
      String(decoding: try files.extendedAttribute(name, of: node), as: UTF8.self)
    }
    #expect(try value() == "0")
    let open = try files.open(node, flags: O_RDONLY, caller: rootCaller)
    for place in 0..<3 { _ = try files.read(node, open.handle, 1 << 20, at: Int64(place) << 20) }
    cache.fills.wait(for: 3)
    #expect(try value() == String((2 << 20) + 10))
    cache.forget(page: 2)
    #expect(try value() == String(2 << 20))
    files.release(node, handle: open.handle)
    let (plain, other) = try volume(size: 10)
    #expect(throws: Errno.self) { try plain.extendedAttribute(name, of: other) }
  }

  @Test("at the worker's end a read that waits is left to the next one, without an errno for the application")
  func end() throws {
    let calls = Events<ScriptedFile.Call>()
    let (files, node) = try volume(size: 5 << 20, calls: calls)
    let open = try files.open(node, flags: O_RDONLY, caller: rootCaller)
    let ended = Events<Errno?>()
    OwnThread.start {
      do throws(Errno) {
        _ = try files.read(node, open.handle, 4096)
        ended.add(nil)
      } catch {
        ended.add(error)
      }
    }
    let call = calls[0]
    files.endReads()
    #expect(ended[0] == .leftToNextWorker)
    #expect(call.isCancelled)
    // Should it reach the kernel all the same, it is an error that exists.
    #expect(Errno.leftToNextWorker.answer == EIO)
    call.finish(.canceled)
    files.release(node, handle: open.handle)
    #expect(files.readStatistics.memoryInUse == 0)
  }

  @Test("a volume that is told to end before its first file is opened leaves all reads to the next worker")
  func endBeforeOpen() throws {
    let (files, node) = try volume(size: 5 << 20)
    files.endReads()
    let open = try files.open(node, flags: O_RDONLY, caller: rootCaller)
    let error = #expect(throws: Errno.self) { try files.read(node, open.handle, 4096) }
    #expect(error == .leftToNextWorker)
    files.release(node, handle: open.handle)
  }
}
