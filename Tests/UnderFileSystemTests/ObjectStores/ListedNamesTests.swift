import ObjectStore
import SystemPackage
import Testing

@testable import UnderFileSystem

@Suite("the order in which files of an object store were listed")
struct ListedNamesTests {
  private func names(_ node: any UnderNode, behind name: String, _ limit: Int = 100) -> [String] {
    node.names(behind: FileName(bytes: name.utf8), limit: limit).map(\.description)
  }

  @Test("files follow each other as the store sorts them, without directories, over the ends of pages")
  func order() throws {
    var manners = InMemoryBucket.Manners()
    manners.longestPage = 4
    let volume = ObjectVolume(InMemoryBucket(manners))
    for name in ["a", "b/x", "c", "d", "e", "f!", "g", "h/", "i", "j"] { volume.bucket.set(ObjectKey("data/" + name)) }
    #expect(names(volume.root, behind: "") == [])
    _ = try volume.names()
    #expect(names(volume.root, behind: "", 1) == ["a"])
    #expect(names(volume.root, behind: "a", 2) == ["c", "d"])
    #expect(names(volume.root, behind: "d", 2) == ["e", "f!"])
    #expect(names(volume.root, behind: "dd", 1) == ["e"])
    #expect(names(volume.root, behind: "j") == [])
    #expect(names(volume.root, behind: "zz") == [])
    #expect(names(try volume.node("b"), behind: "") == [])
  }

  @Test("a file is remembered as it was listed, and not when this mount writes it")
  func remembered() throws {
    let volume = try ObjectVolume(spools: SpoolLimits())
    volume.bucket.set("data/f", "content")
    #expect(volume.root.rememberedFile("f") == nil)
    _ = try volume.names()
    let requests = try volume.requests { #expect(volume.root.rememberedFile("f")?.contentVersion.size == 7) }
    #expect(requests == [:])
    #expect(volume.root.rememberedFile("none") == nil)
    let writer = try volume.node("f").open(.readWrite, caller: root)
    _ = try writer.write(Array("x".utf8).span.bytes, at: 0, durability: .none)
    #expect(volume.root.rememberedFile("f") == nil)
  }

  private func page(_ names: [String]) -> [ListedEntry] {
    names.map {
      ListedEntry(
        key: Array("data/\($0)".utf8), name: FileName(bytes: $0.utf8),
        version: ObjectVersion(size: 1, entityTag: EntityTag("1"), lastModified: 0))
    }
  }

  @Test("of ever so many small directories those that were listed last are remembered")
  func smallDirectories() {
    let listed = ListedNames()
    let small = page(["a", "b"])
    // Forgotten page by page they would take minutes.
    for directory in 0..<100_000 { listed.learn(small, in: PathHash(Array("\(directory)/".utf8))) }
    let kept = (0..<100_000).count {
      !listed.names(behind: "a", in: PathHash(Array("\($0)/".utf8)), limit: 1).isEmpty
    }
    #expect((1_000..<20_000).contains(kept))
    #expect(listed.names(behind: "a", in: PathHash(Array("99999/".utf8)), limit: 1) == ["b"])
  }

  @Test("a listing that comes again takes the place of the one before, and what was not used for longest is forgotten")
  func bounded() throws {
    let listed = ListedNames(limit: 64 << 10)
    let first = PathHash(Array("first/".utf8))
    listed.learn(page(["a", "b", "c"]), in: first)
    listed.learn(page(["a", "c", "d"]), in: first)
    #expect(listed.names(behind: "a", in: first, limit: 9).map(\.description) == ["c", "d"])
    // Not sorted: not remembered.
    listed.learn(page(["z", "y"]), in: first)
    #expect(listed.names(behind: "c", in: first, limit: 9).map(\.description) == ["d"])
    let names = (1000..<2000).map { "name\($0)" }
    for directory in 0..<20 {
      listed.learn(page(names), in: PathHash(Array("\(directory)/".utf8)))
      #expect(listed.names(behind: "a", in: first, limit: 1).count == 1)
    }
    let kept = (0..<20).filter { !listed.names(behind: "a", in: PathHash(Array("\($0)/".utf8)), limit: 1).isEmpty }
    #expect(kept.contains(19) && !kept.contains(0))
    #expect(kept.count <= 5)
  }
}
