import TestSupport
import Testing
import VolumeModel

@Suite("Volume ids")
struct VolumeIDTests {
  @Test(
    "a safe lower-case name is its own id",
    arguments: ["pvc-1", "a", "0", "alluxio-4f0e", "a.b_c-d", String(repeating: "x", count: 63)])
  func ownID(name: String) throws {
    #expect(try VolumeID(name: name).rawValue == name)
    #expect(VolumeID.isOwn(name))
  }

  @Test(
    "any other name that the specification allows is hashed",
    arguments: [
      "PVC-1", "a/b", "..", ".", "a b", "ü", "-a", "a-", ".hidden", "_a", String(repeating: "x", count: 64),
      String(repeating: "y", count: 128), "../../etc/passwd", "a\nb",
    ])
  func hashedID(name: String) throws {
    let id = try VolumeID(name: name).rawValue
    #expect(id.hasPrefix("h-"))
    #expect(id.utf8.count == 62)
    #expect(VolumeID.isOwn(id))
  }

  @Test("a name that looks like a hashed id is hashed too, and is not the id that it names")
  func impostor() throws {
    let victim = try VolumeID(name: "Victim").rawValue
    let impostor = try VolumeID(name: victim).rawValue
    #expect(impostor != victim)
    #expect(try VolumeID(name: "h-anything").rawValue.utf8.count == 62)
  }

  @Test("names that differ in case, in spelling of an accent or in length never share an id")
  func neverColliding() throws {
    var generator = SeededGenerator(seed: 0xA11)
    var names: Set<[UInt8]> = [Array("pvc".utf8), Array("PVC".utf8), Array("\u{e9}".utf8), Array("e\u{301}".utf8)]
    let alphabet = Array("abAB01-._/ h".utf8)
    while names.count < 20_000 {
      let length = Int.random(in: 1...VolumeID.longestName, using: &generator)
      names.insert((0..<length).map { _ in alphabet.randomElement(using: &generator) ?? 97 })
    }
    let ids = Set(try names.map { try VolumeID(name: String(decoding: $0, as: UTF8.self)).rawValue })
    #expect(ids.count == names.count)
  }

  @Test("an id is a file name of at most 63 safe bytes, whatever the name was")
  func alwaysSafe() throws {
    var generator = SeededGenerator(seed: 7)
    for _ in 0..<5_000 {
      let scalars = (0..<Int.random(in: 1...30, using: &generator)).compactMap { _ in
        Unicode.Scalar(UInt32.random(in: 1...0x2FFF, using: &generator))
      }
      var name = String.UnicodeScalarView()
      name.append(contentsOf: scalars)
      let text = String(name)
      guard (1...128).contains(text.utf8.count) else { continue }
      let id = try VolumeID(name: text).rawValue
      #expect(id.utf8.count <= VolumeID.longestID)
      #expect(id.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "/") })
      #expect(id.first != ".")
    }
  }

  @Test("the limit is 128 bytes, not characters")
  func tooLong() throws {
    #expect(throws: VolumeID.NameError.tooLong(bytes: 129)) { try VolumeID(name: String(repeating: "a", count: 129)) }
    #expect(throws: VolumeID.NameError.tooLong(bytes: 130)) { try VolumeID(name: String(repeating: "ü", count: 65)) }
    #expect(throws: VolumeID.NameError.empty) { try VolumeID(name: "") }
    #expect(throws: VolumeID.NameError.empty) { try VolumeID(existing: "") }
    #expect(try VolumeID(existing: "Any/Thing").rawValue == "Any/Thing")
  }

  @Test(
    "what this driver never made is no id of its own",
    arguments: ["A", "..", "a/b", "h-12", "", "h-" + String(repeating: "G", count: 60)])
  func foreign(id: String) { #expect(!VolumeID.isOwn(id)) }
}
