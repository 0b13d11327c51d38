import Glibc
import LinuxSystem
import SystemPackage
import TestSupport
import Testing

@testable import CSIDriver

@Suite("Folders of a node's page store")
struct PageStoreFoldersTests {
  private static let name = String(repeating: "0123456789abcdef", count: 2)

  private func store() throws -> (TemporaryDirectory, PageStoreFolders) {
    let directory = try TemporaryDirectory("pages")
    for path in ["pages/pages-1/ab", "spools"] { try Folder.makeAll(directory.appending("\(Self.name)/\(path)")) }
    try directory.write(String(repeating: "x", count: 100_000), to: "\(Self.name)/pages/pages-1/ab/file")
    try directory.write("order", to: "\(Self.name)/pages/order-1")
    try directory.write("", to: "\(Self.name)/mounted")
    return (directory, PageStoreFolders(path: directory.path))
  }

  @Test("only folders that have the name of a worker are the driver's")
  func names() throws {
    let (directory, folders) = try store()
    for other in ["lost+found", "other", String(repeating: "A", count: 32)] { try directory.makeDirectory(other) }
    #expect(try folders.names() == [Self.name])
    #expect(try PageStoreFolders(path: directory.appending("absent")).names() == [])
  }

  @Test("a folder is measured, shrunk and removed, and one that is not there is nothing")
  func life() throws {
    let (directory, folders) = try store()
    #expect(try folders.measure(Self.name) >= 100_000)
    #expect(try folders.lastUse(Self.name) > 0)
    try folders.shrink(Self.name, to: 50_000)
    #expect(try folders.measure(Self.name) <= 50_000)
    try folders.remove(Self.name)
    #expect(try DirectoryNames.list(directory.path) == [])
    #expect(try folders.measure(Self.name) == 0)
    #expect(try folders.lastUse(Self.name) == 0)
    try folders.shrink(Self.name, to: 0)
    try folders.remove(Self.name)
  }

  @Test("what applications wrote and the store has not got is not removed with the pages")
  func spooled() throws {
    let (directory, folders) = try store()
    try directory.write("bytes", to: "\(Self.name)/spools/file")
    try folders.remove(Self.name)
    #expect(try DirectoryNames.list(directory.appending(Self.name)) == ["mounted", "pages", "spools"])
    #expect(try DirectoryNames.list(directory.appending("\(Self.name)/pages")) == [])
    #expect(try WholeFile.text(directory.appending("\(Self.name)/spools/file")) == "bytes")
  }

  @Test("a folder that volumes share is emptied, and stays for the next of them")
  func shared() throws {
    let (directory, folders) = try store()
    let name = "shared-\(Self.name)"
    try Folder.makeAll(directory.appending("\(name)/pages/pages-1/ab"))
    try directory.write(String(repeating: "x", count: 100_000), to: "\(name)/pages/pages-1/ab/file")
    // By which those who have it open know of each other.
    try directory.write("12345678", to: "\(name)/pages/usage-1")
    #expect(try folders.names().sorted() == [Self.name, name])
    #expect(try folders.measure(name) >= 100_000)
    try folders.remove(name)
    #expect(try folders.measure(name) < 100_000)
    #expect(try DirectoryNames.list(directory.appending("\(name)/pages")).sorted() == ["pages-1", "usage-1"])
    #expect(try DirectoryNames.list(directory.appending("\(name)/pages/pages-1/ab")).isEmpty)
  }

  @Test("symlinks in the place of folders are not followed")
  func links() throws {
    let (directory, folders) = try store()
    let outside = try TemporaryDirectory("outside")
    try outside.makeDirectory("pages")
    try outside.write("x", to: "pages/file")
    let link = String(repeating: "f", count: 32)
    try Syscall.once { symlink(outside.path, directory.appending(link)) }
    #expect(throws: Errno.self) { try folders.remove(link) }
    #expect(throws: Errno.self) { try folders.shrink(link, to: 0) }
    #expect(try WholeFile.text(outside.appending("pages/file")) == "x")
  }

  @Test("a page store that is not there yet has the share of the file system that will hold it")
  func share() throws {
    let (directory, folders) = try store()
    let absent = PageStoreFolders(path: directory.appending("a/b/c"))
    #expect(try absent.defaultBudget() == folders.defaultBudget())
    #expect(try folders.defaultBudget() > 0)
  }
}
