import Glibc
import LinuxSystem
import PageSamples
import PageStore
import SystemPackage
import TestSupport
import Testing

@Suite("What is wrong on the disk of a page store")
struct DamageTests {
  let sample = PageSample(1, size: 300_001)
  let small = PageSample(2, size: 20_000)

  private func change(_ path: String, _ body: (borrowing Descriptor, Int64) throws -> Void) throws {
    let file = try Descriptor.open(path, O_RDWR)
    try body(file, try file.status().size)
  }

  @Test("flipped bits anywhere in the file make misses, never wrong bytes, and the page is fetched again")
  func bitFlips() throws {
    var generator = SeededGenerator(seed: 21)
    for round in 0..<60 {
      let folder = try StoreFolder()
      let sample = round % 2 == 0 ? sample : small
      var store = try folder.open()
      let old = store.fill(sample)
      try change(folder.path(of: sample)) { file, length in
        for _ in 0..<Int.random(in: 1...20, using: &generator) {
          let offset = Int64.random(in: 0..<length, using: &generator)
          let byte = try file.bytes(at: offset, count: 1)
          _ = try file.write([byte[0] ^ UInt8(1 << Int.random(in: 0..<8, using: &generator))], range: 0..<1, at: offset)
        }
      }
      // By who had it open before, and by who opens it now.
      if round % 3 == 0 { store = try folder.open() }
      let reader = round % 3 == 0 ? store.reader(sample) : old
      let isRight = reader.readsRight()
      #expect(isRight, "round \(round)")
      store.drain(until: .never)
      let isRightAgain = reader.readsRight()
      #expect(isRightAgain, "round \(round)")
      store.drain(until: .never)
      let third = reader.read(0, Int(sample.size))
      #expect(third.bytes == sample.bytes(0..<sample.size) && third.fetched == 0, "round \(round)")
    }
  }

  @Test("a file that was cut short, at any length, is served as far as it goes and made again")
  func truncated() throws {
    var generator = SeededGenerator(seed: 22)
    for round in 0..<30 {
      let folder = try StoreFolder()
      var store = try folder.open()
      var reader = store.fill(sample)
      try change(folder.path(of: sample)) { file, length in
        try file.truncate(to: Int64.random(in: 0..<length, using: &generator))
      }
      if round % 2 == 0 {
        store = try folder.open()
        reader = store.reader(sample)
      }
      for _ in 0..<3 {
        let isRight = reader.readsRight()
        #expect(isRight, "round \(round)")
        store.drain(until: .never)
      }
      #expect(reader.read(0, 300_001).fetched == 0, "round \(round)")
    }
  }

  @Test("files that changed places are not taken for each other")
  func swapped() throws {
    let folder = try StoreFolder()
    let other = PageSample(7, size: 300_001)
    do {
      let store = try folder.open()
      store.fill(sample)
      store.fill(other)
    }
    try Folder.move(folder.path(of: sample), to: folder.directory.appending("aside"))
    try Folder.move(folder.path(of: other), to: folder.path(of: sample))
    try Folder.move(folder.directory.appending("aside"), to: folder.path(of: other))
    let store = try folder.open()
    for sample in [sample, other] {
      let reader = store.reader(sample)
      #expect(reader.cached(0, 1000) == [])
      #expect(reader.readsRight())
      store.drain(until: .never)
      let second = reader.read(0, 300_001)
      #expect(second.bytes == sample.bytes(0..<300_001) && second.fetched == 0)
    }
  }

  @Test("pages that changed places within a file are not taken for each other")
  func swappedPages() throws {
    let folder = try StoreFolder()
    let store = try folder.open()
    let reader = store.fill(sample)
    let size = StoreFolder.pageSize
    try change(folder.path(of: sample)) { file, _ in
      let sums = (sample.size + 7) & ~7
      for (start, length) in [(Int64(0), size), (sums, 16 * 8)] {
        let first = try file.bytes(at: start, count: length)
        let second = try file.bytes(at: start + Int64(length), count: length)
        _ = try file.write(second, range: 0..<length, at: start)
        _ = try file.write(first, range: 0..<length, at: start + Int64(length))
      }
    }
    #expect(reader.cached(0, 1000) == [])
    #expect(reader.readsRight())
  }

  enum Plant: String, CaseIterable, Sendable {
    case symlink, symlinkToFolder, danglingSymlink, folder, fullFolder, pipe, hardLink, empty, text, otherPageSize
  }

  /// Puts something in the place of the version's file. - Returns: a file elsewhere that must stay as it is.
  private func plant(_ plant: Plant, at path: String, _ folder: StoreFolder) throws -> String {
    let victim = try folder.directory.write("precious", to: "victim")
    if plant != .otherPageSize { try Syscall.once { unlink(path) } }
    switch plant {
    case .symlink: try Syscall.once { symlink(victim, path) }
    case .symlinkToFolder: try Syscall.once { symlink(folder.path, path) }
    case .danglingSymlink: try Syscall.once { symlink(folder.directory.appending("nowhere"), path) }
    case .folder: try Syscall.once { mkdir(path, 0o700) }
    case .fullFolder:
      try Syscall.once { mkdir(path, 0o700) }
      try Descriptor.open(path + "/inner", O_WRONLY | O_CREAT, mode: 0o600).writeAll([1])
    case .pipe: try Syscall.once { mkfifo(path, 0o600) }
    case .hardLink: try Syscall.once { link(victim, path) }
    case .empty: _ = try Descriptor.open(path, O_WRONLY | O_CREAT, mode: 0o600)
    case .text: try Descriptor.open(path, O_WRONLY | O_CREAT, mode: 0o600).writeAll(Array("no pages".utf8))
    case .otherPageSize:
      let length = try Descriptor.open(path, O_RDONLY).status().size
      let file = try Descriptor.open(path, O_RDWR)
      _ = try file.write([0, 0, 16, 0], range: 0..<4, at: length - 64 + 16)
    }
    return victim
  }

  @Test("what is planted in the place of a file makes a miss and harms nothing else", arguments: Plant.allCases)
  func planted(plant: Plant) throws {
    let folder = try StoreFolder()
    try folder.open().fill(sample)
    let victim = try self.plant(plant, at: folder.path(of: sample), folder)
    let store = try folder.open()
    let reader = store.reader(sample)
    #expect(reader.readsRight())
    store.drain(until: .never)
    #expect(reader.readsRight())
    store.drain(until: .never)
    #expect(try WholeFile.text(victim) == "precious")
    #expect(access(folder.directory.appending("nowhere"), F_OK) != 0)
    if plant != .fullFolder {
      // A disk that could not do something at once is left alone for a while.
      let end = Deadline.after(.patient)
      while reader.read(0, 300_001).fetched > 0, !end.hasPassed { store.drain(until: .never) }
      #expect(reader.read(0, 300_001).fetched == 0, "it was not made again")
    }
  }

  @Test("a symlink in the place of a folder of the store is not followed", arguments: ["pages-1", "inner"])
  func plantedFolder(level: String) throws {
    let folder = try StoreFolder()
    let other = try TemporaryDirectory("elsewhere")
    let name = StoreFolder.name(small)
    if level == "pages-1" {
      try Syscall.once { symlink(other.path, folder.directory.appending("pages-1")) }
    } else {
      try folder.directory.makeDirectory("pages-1")
      let inner = String(name.prefix("pages-1/xx".count))
      try Syscall.once { symlink(other.path, folder.directory.appending(inner)) }
    }
    let store = try folder.open()
    let reader = store.reader(small)
    #expect(reader.readsRight())
    store.drain(until: .never)
    #expect(reader.readsRight())
    #expect(try DirectoryNames.list(other.path) == [])
    if level == "pages-1" { #expect(store.status.folderError != nil) }
  }

  @Test("names that are not the store's are left alone")
  func foreignNames() throws {
    let folder = try StoreFolder()
    try folder.open().fill(small)
    let inner = String(folder.path(of: small).prefix(folder.path.utf8.count + "/pages-1/xx".utf8.count))
    for path in ["\(folder.path)/notes", "\(folder.path)/pages-1/readme", "\(inner)/ABC", "\(inner)/.hidden"] {
      try Descriptor.open(path, O_WRONLY | O_CREAT, mode: 0o600).writeAll([1])
    }
    let store = try folder.open()
    store.close(until: .never)
    for path in ["\(folder.path)/notes", "\(folder.path)/pages-1/readme", "\(inner)/ABC", "\(inner)/.hidden"] {
      #expect(access(path, F_OK) == 0)
    }
    #expect(store.status.pages == 1)
  }

  @Test("a damaged, cut or foreign order file costs the order and nothing else")
  func orderFile() throws {
    var generator = SeededGenerator(seed: 23)
    for round in 0..<40 {
      let folder = try StoreFolder()
      do {
        let store = try folder.open()
        for number in 0..<6 { store.fill(PageSample(number, size: 100_000)) }
        store.close(until: .never)
      }
      let path = folder.directory.appending("order-1")
      switch round % 4 {
      case 0:
        try change(path) { file, length in
          try file.truncate(to: Int64.random(in: 0..<length, using: &generator))
        }
      case 1:
        try change(path) { file, length in
          let bytes = generator.bytes(count: 4)
          _ = try file.write(bytes, range: 0..<4, at: Int64.random(in: 0..<length - 4, using: &generator))
        }
      case 2:
        try Syscall.once { unlink(path) }
        try Syscall.once { symlink("/etc/passwd", path) }
      default:
        try Syscall.once { unlink(path) }
        try Syscall.once { mkfifo(path, 0o600) }
      }
      let store = try folder.open()
      #expect(store.status.pages == 12, "round \(round)")
      for number in 0..<6 {
        let result = store.reader(PageSample(number, size: 100_000)).read(0, 100_000)
        #expect(result.fetched == 0 && result.bytes.count == 100_000, "round \(round)")
      }
    }
  }
}
