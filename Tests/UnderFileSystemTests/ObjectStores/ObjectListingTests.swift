import Synchronization
import SystemPackage
import Testing
import UnderFileSystem
import ObjectStore

@Suite("listings of an object store")
struct ObjectListingTests {
  /// Names in the order in which they come, and their cookies.
  private func entries(
    _ node: any UnderNode, from cookie: UInt64 = 0, count: Int = .max
  ) throws -> [(name: String, cookie: UInt64)] {
    var entries: [(name: String, cookie: UInt64)] = []
    _ = try node.list(from: cookie).forEach { (name, _, _, next) throws(Errno) in
      guard entries.count < count else { return false }
      entries.append((String(decoding: (0..<name.count - 1).map { name[$0] }, as: UTF8.self), next))
      return true
    }
    return entries
  }

  private func fill(_ bucket: InMemoryBucket, _ count: Int) -> [String] {
    let names = (0..<count).map { "n\(100_000 + $0)" }
    for name in names { bucket.set(ObjectKey("data/" + name)) }
    return names
  }

  @Test("pages are fetched one ahead, as the reader comes to them, and each once")
  func pages() throws {
    let volume = ObjectVolume()
    let names = fill(volume.bucket, 3500)
    let asked = try volume.requests { () throws in #expect(try volume.names() == names) }
    #expect(asked == [.list: 4])
    let begun = ObjectVolume(volume.bucket)
    let first = try begun.requests { () throws in #expect(try entries(begun.root, count: 10).count == 10) }
    #expect(first[.list, default: 0] <= 2)
  }

  @Test(
    "a listing goes on at each of its cookies, in the same mount and in the next one", arguments: [1, 2, 3, 7, 1000])
  func cookies(page: Int) throws {
    var manners = InMemoryBucket.Manners()
    manners.longestPage = page
    let bucket = InMemoryBucket(manners)
    for name in ["a", "a/x", "a!", "b/", "b/c", "d", "d-e", "d/f", "e", "f/g", "f0", "g"] {
      bucket.set(ObjectKey("data/" + name))
    }
    let volume = ObjectVolume(bucket)
    let all = try entries(volume.root)
    #expect(all.map(\.name) == [".", "..", "a!", "a", "b", "d-e", "d", "e", "f", "f0", "g"])
    for (place, entry) in all.enumerated() {
      let rest = all[(place + 1)...].map(\.name)
      #expect(try entries(volume.root, from: entry.cookie).map(\.name) == rest)
      #expect(try entries(ObjectVolume(bucket).root, from: entry.cookie).map(\.name) == rest)
    }
    #expect(try entries(volume.root, from: 1000).isEmpty)
  }

  @Test("a listing that stopped goes on behind its last entry, whatever came and went before it")
  func changesBefore() throws {
    let volume = ObjectVolume()
    let names = fill(volume.bucket, 2500)
    for stop in [1, 2, 3, 500, 1002, 1003, 2400] {
      let first = try entries(volume.root, count: stop)
      let cookie = try #require(first.last).cookie
      volume.bucket.remove(ObjectKey("data/" + names[0]))
      volume.bucket.set("data/a-new-one-before-all")
      let rest = try entries(volume.root, from: cookie).map(\.name)
      #expect(rest.filter { $0 >= "n" } == Array(names.dropFirst(max(1, stop - 2))))
      volume.bucket.remove("data/a-new-one-before-all")
      volume.bucket.set(ObjectKey("data/" + names[0]))
    }
  }

  @Test("a listing that failed goes on where it was, when it is asked again")
  func failure() throws {
    let faults = BucketFaults()
    let volume = ObjectVolume(InMemoryBucket(fault: faults.fault))
    let names = fill(volume.bucket, 2500)
    let stream = try volume.root.list(from: 0)
    var seen: [String] = []
    let take: (Span<UInt8>, UInt64, UInt8, UInt64) throws(Errno) -> Bool = { name, _, _, _ in
      let name = String(decoding: (0..<name.count - 1).map { name[$0] }, as: UTF8.self)
      if name != ".", name != ".." { seen.append(name) }
      // From here on the page that comes after the next one fails.
      if seen.count == 1 { faults.set { call, _, _ in call == .list ? BucketError(.unreachable, "gone") : nil } }
      return true
    }
    #expect(throws: Errno.ioError) { while try !stream.forEach(take) {} }
    // The last name of the first page waits for the second one.
    #expect(seen.count >= 999)
    faults.set(nil)
    #expect(try stream.forEach(take))
    #expect(seen == names)
    #expect(!volume.log.failed.isEmpty)
  }

  @Test("names and attributes of a listing need no more requests, and what it does not have is not there")
  func remembered() throws {
    let volume = ObjectVolume()
    let names = fill(volume.bucket, 1500)
    volume.bucket.set("data/sub/x")
    let asked = try volume.requests {
      #expect(try volume.names().count == 1501)
      for name in names { _ = try volume.node(name).attributes() }
      #expect(try volume.node("sub").attributes().isDirectory)
      #expect(throws: Errno.noSuchFileOrDirectory) { try volume.node("n") }
    }
    #expect(asked == [.list: 2])
  }

  @Test("a listing that is longer than the memory for names is whole, and is no proof of absence")
  func bounded() throws {
    let bucket = InMemoryBucket()
    let names = fill(bucket, 1500)
    let volume = ObjectVolume(bucket) { $0.entryLimit = 100 }
    #expect(try volume.names() == names)
    #expect(volume.ufs.rememberedNameCount == 100)
    #expect(try volume.requests { _ = try volume.node(names[0]) } == [.list: 1])
  }
}
