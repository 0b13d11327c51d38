import LinuxSystem
import TestSupport
import Testing

@Suite("One line of mountinfo")
struct MountEntryTests {
  private func entry(_ line: String) -> MountEntry? { MountEntry(line: line.utf8) }

  @Test("the manual page's example is read field by field")
  func manualPage() throws {
    let line = "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue"
    let read = try #require(entry(line))
    #expect(read.id == 36)
    #expect(read.parentID == 35)
    #expect(read.major == 98)
    #expect(read.minor == 0)
    #expect(read.root == "/mnt1")
    #expect(read.mountPoint == "/mnt2")
    #expect(read.options == "rw,noatime")
    #expect(read.optionalFields == ["master:1"])
    #expect(read.type == "ext3")
    #expect(read.source == "/dev/root")
    #expect(read.superOptions == "rw,errors=continue")
    #expect(read.flags == [.noAccessTime])
    #expect(!read.isReadOnly)
    #expect(read.sharedGroup == nil)
  }

  @Test("blanks, tabs, newlines, backslashes and bytes that are not UTF-8 come out as they are")
  func escapes() throws {
    let line = #"1 0 0:45 / /a\040b\011c\012d\134e\377 rw - tmpfs with\040blank rw"#
    let read = try #require(entry(line))
    #expect(read.mountPointBytes == Array("/a b\tc\nd\\e".utf8) + [0xFF])
    #expect(read.source == "with blank")
  }

  @Test("a backslash that begins no octal number stands for itself")
  func falseEscapes() throws {
    let read = try #require(entry(#"1 0 0:45 / /a\9\04\400\x rw - tmpfs none rw"#))
    #expect(read.mountPoint == #"/a\9\04\400\x"#)
  }

  @Test("an empty source is read as empty")
  func emptySource() throws {
    let read = try #require(entry("1 0 0:45 / /a rw shared:7 master:2 - tmpfs  rw"))
    #expect(read.source.isEmpty)
    #expect(read.sharedGroup == 7)
    #expect(read.optionalFields == ["shared:7", "master:2"])
  }

  @Test("a type with a hyphen and a source of one hyphen do not end the optional fields")
  func hyphens() throws {
    let read = try #require(entry("1 0 0:45 / /a rw - fuse.alluxio-fuse - rw"))
    #expect(read.type == "fuse.alluxio-fuse")
    #expect(read.source == "-")
  }

  @Test(
    "what is no line of mountinfo is refused",
    arguments: [
      "", " ", "-", "36 35 98:0 /mnt1 /mnt2 rw", "36 35 98:0 /mnt1 /mnt2 rw - ext3 /dev/root",
      "x 35 98:0 / /m rw - ext3 d rw", "36 -1 98:0 / /m rw - ext3 d rw", "36 35 98 / /m rw - ext3 d rw",
      "36 35 98:0:1 / /m rw - ext3 d rw", "36 35 98:99999999999 / /m rw - ext3 d rw",
      "99999999999999999999 35 98:0 / /m rw - ext3 d rw", "36 35 98:0  /m rw - ext3 d rw",
      "36 35 98:0 / /m rw - ext3 d rw more", "36 35 98:0 / /m rw shared:1 ext3 d rw x",
    ])
  func malformed(line: String) {
    #expect(entry(line) == nil)
  }

  @Test("read-only is seen on the mount and on the file system", arguments: [("ro", "rw"), ("rw", "ro"), ("ro", "ro")])
  func readOnly(options: String, superOptions: String) throws {
    #expect(try #require(entry("1 0 0:4 / /a \(options) - tmpfs t \(superOptions)")).isReadOnly)
  }

  /// As fs/proc_namespace.c writes a line.
  private func kernelLine(_ entry: MountEntry) -> [UInt8] {
    func escaped(_ bytes: [UInt8], _ special: String) -> [UInt8] {
      bytes.flatMap { byte -> [UInt8] in
        guard special.utf8.contains(byte) else { return [byte] }
        let digits = String(byte, radix: 8)
        return Array(("\\" + String(repeating: "0", count: 3 - digits.count) + digits).utf8)
      }
    }
    var line = Array("\(entry.id) \(entry.parentID) \(entry.major):\(entry.minor) ".utf8)
    line += escaped(entry.rootBytes, " \t\n\\") + [0x20] + escaped(entry.mountPointBytes, " \t\n\\") + [0x20]
    line += Array(([entry.options] + entry.optionalFields + ["-", entry.type]).joined(separator: " ").utf8) + [0x20]
    return line + escaped(Array(entry.source.utf8), " \t\n\\#") + [0x20] + Array(entry.superOptions.utf8)
  }

  @Test("every entry survives being written as the kernel writes it", arguments: 0..<20 as Range<UInt64>)
  func roundTrip(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    func path() -> [UInt8] {
      let specials = Array(" \t\n\\#-:,0".utf8)
      let count = Int.random(in: 0...40, using: &random)
      return [0x2F]
        + (0..<count).map { _ in
          random.oneIn(3) ? specials.randomElement(using: &random)! : UInt8.random(in: 1...255, using: &random)
        }.filter { $0 != 0 }
    }
    for _ in 0..<200 {
      let written = MountEntry(
        id: Int.random(in: 0...1_000_000, using: &random), parentID: Int.random(in: 0...1_000_000, using: &random),
        major: UInt32.random(in: 0...4095, using: &random), minor: UInt32.random(in: 0...1_048_575, using: &random),
        rootBytes: path(), mountPointBytes: path(), options: "rw,nosuid",
        optionalFields: random.oneIn(2) ? ["shared:\(random.next() % 100)"] : [], type: "fuse.alluxio-fuse",
        source: ["", "none", "a b#c", "-"].randomElement(using: &random)!, superOptions: "rw")
      #expect(MountEntry(line: kernelLine(written)) == written, "seed \(seed)")
    }
  }

  @Test("mutated lines are read or refused, never worse", arguments: 0..<10 as Range<UInt64>)
  func mutations(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    let line = Array(#"36 35 98:0 /a\040 /m\134x rw,noatime master:1 - ext3 /dev/root rw"#.utf8)
    for _ in 0..<2000 {
      var mutant = line
      for _ in 0..<Int.random(in: 1...6, using: &random) where !mutant.isEmpty {
        let place = Int.random(in: 0..<mutant.count, using: &random)
        switch random.next() % 3 {
        case 0: mutant[place] = UInt8.random(in: 0...255, using: &random)
        case 1: mutant.remove(at: place)
        default: mutant.insert(UInt8.random(in: 0...255, using: &random), at: place)
        }
      }
      if let read = MountEntry(line: mutant) {
        #expect(MountEntry(line: kernelLine(read))?.id == read.id, "seed \(seed)")
      }
    }
  }
}
