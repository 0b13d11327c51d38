import LinuxSystem
import Synchronization
import SystemPackage
import TestSupport
import Testing
import UnderFileSystem

@testable import VolumeFileSystem

@Suite("reading files whose pages are shared with workers of other credentials")
struct SharedPageTests {
  private static let mib: Int64 = 1 << 20
  private static let size = 8 * mib

  /// All pages of it were brought by somebody else.
  private func filled(_ script: @escaping ScriptedFile.Script = { $0.complete() }) -> (ScriptedFile, PagesInMemory) {
    let file = ScriptedFile(size: Self.size, script)
    let cache = PagesInMemory(isShared: true)
    for page in 0..<Self.size / Self.mib { cache.put(file, page: page) }
    return (file, cache)
  }

  @Test("who has shown nothing yet asks for what he reads, and has the rest from the others' pages")
  func shownFirst() throws {
    let calls = Events<Range<Int64>>()
    let (source, cache) = filled {
      calls.add($0.range)
      $0.complete()
    }
    let scene = try ReadingScene(cache: cache)
    let file = scene.open(source)
    for offset in stride(from: 0, to: Self.size, by: 128 << 10) {
      #expect(source.has(try file.bytes(128 << 10, at: offset), at: offset))
    }
    #expect(calls.all == [0..<128 << 10])
    #expect(scene.counters.bytesFromPageStore == Int(Self.size) - 128 << 10)
    // Opened again, it need not be shown again.
    #expect(source.has(try scene.open(source).bytes(4096, at: Self.mib), at: Self.mib))
    #expect(calls.all.count == 1)
  }

  @Test("who may not read the file gets the store's answer and no byte of what others keep")
  func refused() throws {
    let (source, cache) = filled { $0.finish(.permissionDenied) }
    let scene = try ReadingScene(cache: cache)
    let file = scene.open(source)
    for offset in [0, Self.mib, 5 * Self.mib + 7] {
      let error = #expect(throws: Errno.self) { try file.bytes(4096, at: offset) }
      #expect(error == .permissionDenied)
    }
    #expect(scene.counters.bytesFromPageStore == 0)
  }

  @Test("a refusal counts from then on, though the file was read before")
  func withdrawn() throws {
    let isRefused = Atomic(false)
    let (source, cache) = filled {
      if isRefused.load(ordering: .relaxed) { $0.finish(.permissionDenied) } else { $0.complete() }
    }
    let scene = try ReadingScene(cache: cache)
    let file = scene.open(source)
    _ = try file.bytes(4096, at: 0)
    #expect(source.has(try file.bytes(4096, at: Self.mib), at: Self.mib))
    isRefused.store(true, ordering: .relaxed)
    cache.forget(page: 3)
    let error = #expect(throws: Errno.self) { try file.bytes(4096, at: 3 * Self.mib) }
    #expect(error == .permissionDenied)
    let next = #expect(throws: Errno.self) { try file.bytes(4096, at: 2 * Self.mib) }
    #expect(next == .permissionDenied)
  }

  @Test("what was shown holds for a while, and for the credentials that showed it")
  func expiry() throws {
    let calls = Events<Range<Int64>>()
    let (source, cache) = filled {
      calls.add($0.range)
      $0.complete()
    }
    let brief = try ReadingScene(cache: cache, proofLifetime: .zero).open(source)
    for page in 0..<3 { _ = try brief.bytes(4096, at: Int64(page) * Self.mib) }
    #expect(calls.all.count == 3)
    let scene = try ReadingScene(cache: cache)
    let file = scene.open(source)
    _ = try file.bytes(4096, at: 0)
    _ = try file.bytes(4096, at: Self.mib)
    #expect(calls.all.count == 4)
    scene.parts.proofs?.removeAll()
    _ = try file.bytes(4096, at: 2 * Self.mib)
    #expect(calls.all.count == 5)
  }

  @Test("an answer to a request of the credentials before shows nothing of the new ones")
  func lateAnswer() throws {
    let proofs = ReadProofs(lifetime: .seconds(86_400))
    let version = ScriptedFile(size: 1).contentVersion
    let question = proofs.question()
    proofs.removeAll()
    proofs.add(version, answering: question)
    #expect(!proofs.hold(version))
    proofs.add(version, answering: proofs.question())
    #expect(proofs.hold(version))
    proofs.remove(version)
    #expect(!proofs.hold(version))
  }

  /// A file whose second page another worker brings, and a read that waits for it.
  private struct WaitingRead {
    let source: ScriptedFile
    let cache = PagesInMemory(isShared: true)
    let page = PagesInMemory.OthersPage()
    let scene: ReadingScene
    let read: ReadInBackground

    init(_ script: @escaping ScriptedFile.Script = { $0.complete() }) throws {
      source = ScriptedFile(size: size, script)
      let page = page
      cache.others.withLock { $0[1] = page }
      scene = try ReadingScene(cache: cache)
      let file = scene.open(source)
      // Shows that it may be read.
      _ = try file.bytes(Int(mib), at: 0)
      read = ReadInBackground(file, Int(mib), at: mib)
      page.waits.wait(for: 1)
    }
  }

  @Test("a page that another worker brings is waited for and not asked for")
  func waited() throws {
    let calls = Events<Range<Int64>>()
    let waiting = try WaitingRead {
      calls.add($0.range)
      $0.complete()
    }
    #expect(!waiting.read.isOver)
    waiting.cache.put(waiting.source, page: 1)
    waiting.page.end()
    #expect(waiting.source.has(try waiting.read.bytes(), at: Self.mib))
    #expect(calls.all.allSatisfy { !$0.overlaps(Self.mib..<2 * Self.mib) })
  }

  @Test("a page that another worker gave up is asked for")
  func givenUp() throws {
    let waiting = try WaitingRead()
    waiting.cache.others.withLock { $0[1] = nil }
    waiting.page.end()
    #expect(waiting.source.has(try waiting.read.bytes(), at: Self.mib))
  }

  @Test("a worker that ends does not wait for another one's page")
  func ending() throws {
    let waiting = try WaitingRead()
    waiting.scene.pool.end()
    let error = #expect(throws: Errno.self) { try waiting.read.bytes() }
    #expect(error == .leftToNextWorker)
  }

  @Test("the right to bring a page is held until the page is handed over, or is not going to be whole")
  func rights() throws {
    let calls = Events<ScriptedFile.Call>()
    let source = ScriptedFile(size: Self.size) { calls.add($0) }
    let cache = PagesInMemory(isShared: true)
    let file = try ReadingScene(cache: cache).open(source)
    let first = ReadInBackground(file, Int(Self.mib), at: 0)
    _ = calls[0]
    #expect(cache.rights.withLock { $0.contains(0) })
    calls[0].complete()
    _ = try first.bytes()
    cache.fills.wait(for: 1)
    #expect(cache.rights.withLock { !$0.contains(0) })
    let broken = try ReadingScene(cache: cache).open(ScriptedFile(size: Self.size, tag: "2") { $0.finish(.ioError) })
    #expect(throws: Errno.self) { try broken.bytes(Int(Self.mib), at: 0) }
    #expect(cache.rights.withLock { !$0.contains(0) })
    for call in calls.all { call.complete() }
  }
}
