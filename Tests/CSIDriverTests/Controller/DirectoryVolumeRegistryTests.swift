import CSIDriver
import Glibc
import LinuxSystem
import Logging
import SystemPackage
import TestSupport
import Testing

@Suite("The registry's directory")
struct DirectoryVolumeRegistryTests {
  let folder: TemporaryDirectory
  var path: String { folder.appending("registry") }
  init() throws { folder = try TemporaryDirectory("registry") }

  private func open() throws(RegistryError) -> DirectoryVolumeRegistry {
    try DirectoryVolumeRegistry(path: path, logger: .silent)
  }

  @Test("what was written is there after a restart, and for a second process at once")
  func restart() async throws {
    let first = try open()
    try await first.insert(.test("a"))
    try await first.publish(.test("node"), of: "a")
    let second = try open()
    #expect(try await second.volume(id: "a") == .test("a"))
    #expect(try await second.publications(of: "a") == [.test("node")])
    try await second.remove(id: "a")
    #expect(try await first.volume(id: "a") == nil)
  }

  @Test(
    "a damaged record is set aside by name, and the others are served",
    arguments: ["", "{", "{}", "null", "[1]", "{\"version\":1,\"id\":\"b\"}", String(repeating: "\u{0}", count: 4096)])
  func damaged(content: String) async throws {
    let registry = try open()
    try await registry.insert(.test("a"))
    try folder.write(content, to: "registry/volumes/b.json")
    #expect(try await registry.volumes(after: nil, limit: 10).map(\.id) == ["a"])
    #expect(try await registry.volume(id: "b") == nil)
    let aside = try DirectoryNames.list("\(path)/damaged")
    #expect(aside.count == 1)
    #expect(aside.first?.contains("b.json") == true)
    try await registry.insert(.test("b"))
    #expect(try await registry.volume(id: "b") == .test("b"))
  }

  @Test("a record under another volume's name is set aside")
  func swapped() async throws {
    let registry = try open()
    try await registry.insert(.test("a"))
    rename("\(path)/volumes/a.json", "\(path)/volumes/b.json")
    #expect(try await registry.volume(id: "b") == nil)
    #expect(try DirectoryNames.list("\(path)/damaged").count == 1)
  }

  @Test("a record of a later version is left alone and named")
  func later() async throws {
    let registry = try open()
    let content = "{\"version\":2,\"id\":\"b\",\"something\":\"new\"}"
    try folder.write(content, to: "registry/volumes/b.json")
    let error = await #expect(throws: RegistryError.self) { try await registry.volume(id: "b") }
    guard case .unavailable(_, let cause) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(cause.contains("version 2"))
    #expect(try WholeFile.text("\(path)/volumes/b.json") == content)
  }

  @Test("foreign files are passed over and kept")
  func foreign() async throws {
    let registry = try open()
    try await registry.insert(.test("a"))
    for name in ["README", "x.json.bak", ".hidden.json", "UPPER.json", "..json", "b.txt"] {
      try folder.write("somebody's", to: "registry/volumes/\(name)")
    }
    #expect(try await registry.volumes(after: nil, limit: 10).map(\.id) == ["a"])
    #expect(try DirectoryNames.list("\(path)/volumes").count == 7)
    #expect(try DirectoryNames.list("\(path)/damaged") == [])
  }

  @Test("what a crashed write left is swept when the registry is opened")
  func leftovers() async throws {
    _ = try open()
    try folder.write("half", to: "registry/volumes/\(AtomicFile.temporaryPrefix)1234")
    _ = try open()
    #expect(try DirectoryNames.list("\(path)/volumes") == [])
  }

  @Test("a registry that cannot be opened says which folder and why")
  func unusable() throws {
    try folder.write("a file", to: "registry")
    let error = #expect(throws: RegistryError.self) { try open() }
    guard case .unavailable(let step, _) = error else { return }
    #expect(step.contains(path))
  }

  @Test("a registry whose folder is gone is not ready, and says so without ending the process")
  func gone() async throws {
    let registry = try open()
    try await registry.check()
    TemporaryDirectory.removeTree(path)
    await #expect(throws: RegistryError.self) { try await registry.check() }
    await #expect(throws: RegistryError.self) { try await registry.insert(.test("a")) }
  }

  @Test("a full disk is an error, and leaves neither a record nor a half one", .requiresRoot)
  func fullDisk() async throws {
    let mount = try folder.makeDirectory("small")
    try Mount.mount(source: "tmpfs", target: mount, type: "tmpfs", data: "size=64k")
    defer { try? Mount.unmount(mount, flags: [.detach]) }
    let registry = try DirectoryVolumeRegistry(path: "\(mount)/registry", logger: .silent)
    var failed: RegistryError?
    var inserted = 0
    while failed == nil, inserted < 200 {
      do throws(RegistryError) {
        try await registry.insert(.test("v\(inserted)"))
        inserted += 1
      } catch {
        failed = error
      }
    }
    guard case .unavailable = failed else {
      Issue.record("\(String(describing: failed))")
      return
    }
    #expect(try await registry.volumes(after: nil, limit: 1000).count == inserted)
    #expect(try DirectoryNames.list("\(mount)/registry/volumes").count == inserted)
  }
}

@Suite("Crashes of the registry's writers", .timeLimit(.minutes(3)))
struct RegistryCrashTests {
  let folder: TemporaryDirectory
  var path: String { folder.appending("registry") }
  init() throws { folder = try TemporaryDirectory("crash") }

  private func open() throws(RegistryError) -> DirectoryVolumeRegistry {
    try DirectoryVolumeRegistry(path: path, logger: .silent)
  }

  /// Runs a writer to its end and says by which signal it died.
  private func writer(_ arguments: String...) throws -> ProcessExit? {
    let program = try builtProduct("registry-writer")
    let process = try Spawn(executable: program, arguments: ["registry-writer", path] + arguments).start()
    return try Waiting.untilEnded(process)
  }

  private static let steps = AtomicFile.Step.allCases.map(\.rawValue)

  @Test("a writer killed at any step of an insert leaves the whole record or none", arguments: steps)
  func insert(step: String) async throws {
    #expect(try writer(step, "insert", "a") == .signalled(signal: SIGKILL, dumpedCore: false))
    let registry = try open()
    let record = try await registry.volume(id: "a")
    let isRenamed = step == "renamed" || step == "directorySynced"
    #expect((record != nil) == isRenamed)
    #expect(record == nil || record?.parameters == ["path": "file:///data"])
    #expect(try DirectoryNames.list("\(path)/volumes") == (isRenamed ? ["a.json"] : []))
    #expect(try DirectoryNames.list("\(path)/damaged") == [])
  }

  @Test("a writer killed at any step of an update leaves the old record or the new one", arguments: steps)
  func update(step: String) async throws {
    try await open().insert(.test("a", bytes: 1))
    #expect(try writer(step, "update", "a") == .signalled(signal: SIGKILL, dumpedCore: false))
    let isRenamed = step == "renamed" || step == "directorySynced"
    #expect(try await open().volume(id: "a")?.capacityBytes == (isRenamed ? 2 : 1))
    #expect(try DirectoryNames.list("\(path)/volumes") == ["a.json"])
  }

  @Test("a writer killed while it begins a deletion leaves the volume ready or deleting", arguments: steps)
  func delete(step: String) async throws {
    try await open().insert(.test("a"))
    #expect(try writer(step, "delete", "a") == .signalled(signal: SIGKILL, dumpedCore: false))
    let registry = try open()
    let isRenamed = step == "renamed" || step == "directorySynced"
    #expect(try await registry.volume(id: "a")?.state == (isRenamed ? .deleting : .ready))
    #expect(try await registry.beginDeletion(id: "a").state == .deleting)
  }

  @Test("a writer killed while it publishes leaves the publication or none, and no lock", arguments: steps)
  func publish(step: String) async throws {
    #expect(try writer(step, "publish", "a") == .signalled(signal: SIGKILL, dumpedCore: false))
    let registry = try open()
    let isRenamed = step == "renamed" || step == "directorySynced"
    #expect(try await registry.publications(of: "a").count == (isRenamed ? 1 : 0))
    try await registry.publish(.test("other"), of: "a")
    try await registry.unpublish(volumeID: "a", from: "node")
    try await registry.unpublish(volumeID: "a", from: "other")
    #expect(try await registry.publications(of: "a") == [])
  }

  @Test("a writer killed at a random moment loses nothing that it reported, and readers never see half a record")
  func storm() async throws {
    let registry = try open()
    let program = try builtProduct("registry-writer")
    for round in 0..<5 {
      let prefix = "r\(round)-"
      let process = try Spawn(executable: program, arguments: ["registry-writer", path, "storm", prefix, "100000"])
        .start()
      let wanted = 10 + 7 * round
      try Waiting.untilFolder("\(path)/volumes") {
        ((try? DirectoryNames.list("\(path)/volumes")) ?? []).filter { $0.hasPrefix(prefix) }.count >= wanted
      }
      try process.signal(SIGKILL)
      #expect(try Waiting.untilEnded(process) == .signalled(signal: SIGKILL, dumpedCore: false))
      let ids = try await registry.volumes(after: nil, limit: 100_000).map(\.id).filter { $0.hasPrefix(prefix) }
      // Inserted one after the other: no hole.
      #expect(Set(ids) == Set((0..<ids.count).map { "\(prefix)\($0)" }))
    }
    #expect(try DirectoryNames.list("\(path)/damaged") == [])
  }
}
