import LinuxSystem
import SystemPackage
import TestSupport
import Testing
import VolumeModel

/// The README's reference of parameters is what `VolumeContextKey` says.
@Suite("parameter table of the README")
struct ParameterTableTests {
  static let opening = "<!-- parameters: compared with VolumeContextKey by DocumentTests -->"
  static let closing = "<!-- end of parameters -->"

  /// The table as the README must have it.
  static func expected() -> String {
    let head = ["| key | value | default | where | meaning |", "|---|---|---|---|---|"]
    return (head + VolumeContextKey.all.map(row)).joined(separator: "\n")
  }

  static func row(_ key: VolumeContextKey) -> String {
    let names = ([key.name] + key.aliases).map { "`\($0)`" }.joined(separator: ", ")
    let isOffered = key.availability.isOffered(serving: UnderFileSystemURI.Scheme.available)
    let meaning = isOffered ? key.meaning : "\(key.meaning) Not in this version: refused."
    let standard = key.defaultValue.map { "`\($0)`" } ?? "–"
    return "| \(names) | \(key.form.expectation) | \(standard) | \(places(key.places)) | \(meaning) |"
  }

  static func places(_ places: VolumeContextKey.Places) -> String {
    let words: [(VolumeContextKey.Places, String)] = [
      (.parameters, "StorageClass"), (.attributes, "PersistentVolume"), (.inline, "inline"),
      (.mountOptions, "mount option"),
    ]
    return words.filter { places.contains($0.0) }.map(\.1).joined(separator: ", ")
  }

  /// The lines between the two comments.
  static func written(in readme: String) -> String? {
    let lines = readme.split(separator: "\n", omittingEmptySubsequences: false)
    guard let begin = lines.firstIndex(where: { $0 == opening }), let end = lines.firstIndex(where: { $0 == closing }),
      begin < end
    else { return nil }
    return lines[(begin + 1)..<end].filter { !$0.isEmpty }.joined(separator: "\n")
  }

  @Test("the README lists every key, with its form, default, places and meaning")
  func tableIsCurrent() throws {
    let readme = try WholeFile.text("\(BuildFolder.sources())/README.md")
    let table = try #require(Self.written(in: readme), "the comments around the table are missing")
    #expect(table == Self.expected(), "the table must read:\n\(Self.expected())")
  }
}
