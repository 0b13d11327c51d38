import Glibc
import LinuxSystem
import Synchronization
import SystemPackage
import TestSupport
import Testing
import UnderFileSystem
import VolumeFileSystem
import VolumeModel

@Suite("the bound on descriptors", .requiresRoot, .serialized)
struct DescriptorTests {
  private func openDescriptors() throws -> Int { try DirectoryNames.list("/proc/self/fd").count }

  @Test("30000 live nodes and 3000 open files work with 256 descriptors")
  func manyNodes() throws {
    let volume = try Volume(descriptorLimit: 256, beneath: "/dev/shm")
    let files = volume.files
    var entries: [Entry] = []
    for index in 0..<30_000 { entries.append(try files.makeFile(FileName(bytes: "f\(index)".utf8))) }
    #expect(files.descriptorCount <= 256)
    #expect(try openDescriptors() < 1000)
    var opens: [(Entry, HandleID)] = []
    for index in stride(from: 0, to: 30_000, by: 10) {
      let handle = try files.open(entries[index].node, flags: O_RDWR, caller: rootCaller).handle
      opens.append((entries[index], handle))
      _ = try files.write(entries[index].node, handle, Array("content \(index)".utf8))
    }
    #expect(files.descriptorCount <= 256)
    for (number, (entry, handle)) in opens.enumerated() {
      #expect(try files.read(entry.node, handle, 100) == Array("content \(number * 10)".utf8))
    }
    for (entry, handle) in opens { files.release(entry.node, handle: handle) }
    for entry in entries {
      #expect(try files.getAttributes(of: entry.node).attributes.inode == entry.attributes.inode)
      files.forget(entry.node, 1)
    }
    #expect(files.descriptorCount == 0)
  }

  @Test(
    "files that are unlinked while open stay readable and writable, whatever else is opened", arguments: [true, false])
  func unlinkedOpen(useHandles: Bool) throws {
    let volume = try Volume(useHandles: useHandles, descriptorLimit: 64)
    let files = volume.files
    var opens: [(Entry, HandleID)] = []
    for index in 0..<200 {
      let name = FileName(bytes: "u\(index)".utf8)
      let (entry, open) = try files.create(name, in: rootNode, mode: 0o600, flags: O_RDWR, caller: rootCaller)
      _ = try files.write(entry.node, open.handle, Array("secret \(index)".utf8))
      opens.append((entry, open.handle))
    }
    // Many of them were closed for room by now.
    #expect(files.descriptorCount <= 64)
    for index in 0..<200 {
      try files.unlink(FileName(bytes: "u\(index)".utf8), in: rootNode, caller: rootCaller)
    }
    for index in 0..<300 {
      let entry = try files.makeFile(FileName(bytes: "other\(index)".utf8))
      _ = try files.content(entry.node)
    }
    for (index, (entry, handle)) in opens.enumerated() {
      #expect(try files.read(entry.node, handle, 100) == Array("secret \(index)".utf8))
      #expect(try files.getAttributes(of: entry.node, handle: handle).attributes.linkCount == 0)
      files.release(entry.node, handle: handle)
      files.forget(entry.node, 1)
    }
    #expect(files.descriptorCount <= 64)
  }

  @Test("a file that a rename replaces while it is open stays readable", arguments: [true, false])
  func replacedOpen(useHandles: Bool) throws {
    let volume = try Volume(useHandles: useHandles, descriptorLimit: 64)
    let files = volume.files
    let old = try files.makeFile("target", Array("old".utf8))
    let handle = try files.open(old.node, flags: O_RDONLY, caller: rootCaller).handle
    for index in 0..<200 {
      _ = try files.content(try files.makeFile(FileName(bytes: "other\(index)".utf8)).node)
    }
    let new = try files.makeFile("source", Array("new".utf8))
    try files.rename("source", in: rootNode, to: "target", in: rootNode, flags: [], caller: rootCaller)
    #expect(try files.read(old.node, handle, 10) == Array("old".utf8))
    #expect(try files.lookup("target", in: rootNode).node == new.node)
    files.release(old.node, handle: handle)
  }

  @Test("threads that create, read, write, rename and remove at once keep files and counts right")
  func threads() async throws {
    let volume = try Volume(descriptorLimit: 64, beneath: "/dev/shm")
    let files = volume.files
    try await withThrowingTaskGroup(of: Void.self) { group in
      for worker in 0..<4 {
        group.addTask {
          try await OwnThread.run {
            let own = caller(UInt32(1000 + worker), 1000)
            for round in 0..<400 {
              let name = FileName(bytes: "w\(worker)-\(round % 50)".utf8)
              let renamed = FileName(bytes: "r\(worker)-\(round % 50)".utf8)
              let content = Array("\(worker) \(round)".utf8)
              let (entry, open) = try files.create(name, in: rootNode, mode: 0o644, flags: O_RDWR, caller: own)
              #expect(entry.attributes.uid == own.uid)
              _ = try files.write(entry.node, open.handle, content)
              try files.rename(name, in: rootNode, to: renamed, in: rootNode, flags: [], caller: own)
              #expect(try files.read(entry.node, open.handle, 100) == content)
              if round % 3 == 0 { try files.unlink(renamed, in: rootNode, caller: own) }
              #expect(try files.read(entry.node, open.handle, 100) == content)
              files.release(entry.node, handle: open.handle)
              files.forget(entry.node, 1)
            }
          }
        }
      }
      try await group.waitForAll()
    }
    #expect(files.descriptorCount == 0)
  }
}
