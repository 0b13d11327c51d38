import Glibc
import LinuxSystem
import SystemPackage
import TestSupport
import Testing

/// FOPEN_KEEP_CACHE and AUTO_INVAL_DATA: which pages of a file the kernel may show after somebody changed it in the
/// under file system.
@Suite("Contents that somebody changes beside a mount", .requiresFuse)
struct ChangedBesideTests {
  /// Whether the kernel has the first page of a file that is opened now, and reads it. mincore(2).
  private func keptPages(of path: String) throws -> Bool {
    let file = try Files.open(path, O_RDONLY)
    let number = file.rawValue
    let page = try #require(mmap(nil, 4096, PROT_READ, MAP_SHARED, number, 0))
    defer { munmap(page, 4096) }
    var resident: [UInt8] = [0]
    try Syscall.once { mincore(page, 4096, &resident) }
    _ = try file.readToEnd()
    return resident[0] & 1 == 1
  }

  /// Writes beside the mount without a change of size, and gives the file its old mtime back: only ctime tells.
  private func replace(_ path: String, with text: String) throws {
    let status = try Files.status(path)
    try Files.writeAt(Files.open(path, O_WRONLY), text, 0)
    let times = [status.st_atim, status.st_mtim]
    try Syscall.once { utimensat(AT_FDCWD, path, times, 0) }
  }

  @Test("a new open reads the new content, also where pages of the old one had been kept from open to open")
  func keptPages() throws {
    let mounted = try MountedDirectory([], .served)
    try Files.write("before", mounted.beside("f"))
    #expect(try Files.read(mounted.at("f")) == "before")
    // A file that changed a moment ago is not settled, and each open reads it anew; at last its pages are kept.
    while try !keptPages(of: mounted.at("f")) { sched_yield() }
    #expect(try keptPages(of: mounted.at("f")))
    try replace(mounted.beside("f"), with: "AFTER!")
    #expect(try Files.read(mounted.at("f")) == "AFTER!")
    try replace(mounted.beside("f"), with: "again.")
    #expect(try Files.read(mounted.at("f")) == "again.")
  }

  @Test("a new open reads the new content while another one is open and has read the old")
  func whileOpen() throws {
    let mounted = try MountedDirectory([], .served)
    try Files.write("before", mounted.beside("f"))
    let file = try Files.open(mounted.at("f"), O_RDONLY)
    #expect(try Files.readAt(file, 10, 0) == "before")
    try replace(mounted.beside("f"), with: "AFTER!")
    #expect(try Files.read(mounted.at("f")) == "AFTER!")
    #expect(try Files.readAt(file, 10, 0) == "AFTER!")
  }

  @Test("an open file shows the new content once its attributes have been asked for again, here at each read")
  func openFile() throws {
    let mounted = try MountedDirectory(["-o", "attrTimeout=0"], .served)
    try Files.write("before", mounted.beside("f"))
    let file = try Files.open(mounted.at("f"), O_RDONLY)
    #expect(try Files.readAt(file, 10, 0) == "before")
    // AUTO_INVAL_DATA looks at size and mtime.
    try Files.writeAt(Files.open(mounted.beside("f"), O_WRONLY), "AFTER!", 0)
    #expect(try Files.readAt(file, 10, 0) == "AFTER!")
    try Files.write("longer than it was", mounted.beside("f"))
    #expect(try Files.readAt(file, 100, 0) == "longer than it was")
    try Files.truncate(mounted.beside("f"), 6)
    #expect(try Files.readAt(file, 100, 0) == "longer")
  }
}
