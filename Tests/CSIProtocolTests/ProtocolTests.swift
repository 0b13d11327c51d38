import CSIProtocol
import Foundation
import Glibc
import LinuxSystem
import TestSupport
import Testing

@Suite("The CSI protocol")
struct ProtocolTests {
  @Test("csi.proto has every line of the facts table, and no other", .requiresProgram("protoc"))
  func descriptorSet() throws {
    let set = try compile()
    #expect(differences(set.rows, try FactsTable().rows) == [])
  }

  @Test("csi.proto declares the extensions of CSI with their numbers", .requiresProgram("protoc"))
  func extensions() throws {
    #expect(
      try compile().extensions == [
        "FieldOptions csi_secret 1059", "FieldOptions alpha_field 1060", "EnumOptions alpha_enum 1060",
        "EnumValueOptions alpha_enum_value 1060", "MessageOptions alpha_message 1060",
        "MethodOptions alpha_method 1060", "ServiceOptions alpha_service 1060",
      ])
  }

  @Test("the generated C has every method, field, type and number of the facts table, and no other")
  func generated() throws {
    let services = [
      withUnsafePointer(to: csi__v1__identity__descriptor) { $0 },
      withUnsafePointer(to: csi__v1__controller__descriptor) { $0 },
      withUnsafePointer(to: csi__v1__group_controller__descriptor) { $0 },
      withUnsafePointer(to: csi__v1__snapshot_metadata__descriptor) { $0 },
      withUnsafePointer(to: csi__v1__node__descriptor) { $0 },
    ]
    let expected = try FactsTable().rows.map { row in
      var row = row
      row.flags = ""
      if row.kind == "rpc" { row.label = "" } else if !row.oneof.isEmpty { row.oneof = "oneof" }
      return row
    }
    #expect(differences(GeneratedDescriptors(services).rows, Set(expected)) == [])
  }

  @Test("a line more or less, or another number, would be noticed", .requiresProgram("protoc"))
  func canary() throws {
    let source = try WholeFile.text("\(BuildFolder.sources())/Protos/csi.proto")
    let changes = [
      ("string volume_id = 1;", "string volume_id = 19;"), ("bool readonly = 4;", "bool read_only = 4;"),
      (" [(csi_secret) = true]", ""), ("int64 total = 2;", "uint64 total = 2;"),
      ("message DeleteVolumeResponse {}", "message DeleteVolumeResponse { bool done = 1; }"),
      ("ONLINE = 1;", "ONLINE = 3;"), ("option (alpha_method) = true;", ""),
    ]
    for (old, new) in changes {
      let range = try #require(source.range(of: old), "csi.proto has no \(old)")
      let changed = source.replacingCharacters(in: range, with: new)
      #expect(differences(try compile(changed).rows, try FactsTable().rows) != [], "\(old) -> \(new)")
    }
  }

  @Test("the table here is the shared one, where that is at hand")
  func sharedTable() throws {
    let shared = "\(BuildFolder.sources())/../shared/csi/csi-v1.13.tsv"
    guard access(shared, R_OK) == 0 else { return }
    #expect(try WholeFile.text(shared) == WholeFile.text(FactsTable.path))
  }

  @Test("the checked-in C is what protoc-c makes of Protos/", .requiresProgram("protoc-c"))
  func regenerated() throws {
    let folder = try TemporaryDirectory("generated")
    let root = BuildFolder.sources()
    let run = try Program.run("\(root)/scripts/generate-protocols.sh", [folder.path])
    try #require(run.succeeded, "\(run.text)")
    let fresh = try tree("\(folder.path)")
    let checkedIn = try ["CSIProtocol", "MounterProtocol"].flatMap { module in
      try tree("\(root)/Sources/\(module)").map { "\(module)/\($0)" }
    }
    #expect(fresh == checkedIn.sorted())
    for file in fresh {
      let isEqual = try WholeFile.text("\(folder.path)/\(file)") == WholeFile.text("\(root)/Sources/\(file)")
      #expect(isEqual, "\(file) differs: run scripts/generate-protocols.sh with protoc-c 1.4.1 and protobuf 3.21.12")
    }
  }

  /// What protoc makes of csi.proto, or of another text in its place.
  private func compile(_ source: String? = nil) throws -> DescriptorSet {
    let folder = try TemporaryDirectory("descriptors")
    var protos = "\(BuildFolder.sources())/Protos"
    if let source {
      try folder.write(source, to: "csi.proto")
      protos = folder.path
    }
    let output = folder.appending("set.bin")
    let run = try Program.run("protoc", ["-I", protos, "--descriptor_set_out=\(output)", "\(protos)/csi.proto"])
    try #require(run.succeeded, "\(run.text)")
    return try DescriptorSet(WholeFile.read(output))
  }

  /// Paths of all generated files below a folder, in order.
  private func tree(_ folder: String) throws -> [String] {
    var found: [String] = []
    for name in try DirectoryNames.list(folder) where name != "." && name != ".." {
      var status = stat()
      guard lstat("\(folder)/\(name)", &status) == 0 else { continue }
      if status.st_mode & S_IFMT == S_IFDIR {
        found += try tree("\(folder)/\(name)").map { "\(name)/\($0)" }
      } else {
        found.append(name)
      }
    }
    return found.sorted()
  }
}
