import LinuxSystem
import TestSupport

/// The table of facts about the protocol: one line for every method, field, enumeration value and empty message.
struct FactsTable {
  /// A line's columns: kind, owner, number, name, type, label, oneof or response, flags.
  struct Row: Hashable, CustomStringConvertible {
    var kind: String
    var owner: String
    var number = ""
    var name = ""
    var type = ""
    var label = ""
    var oneof = ""
    /// Sorted, separated by commas.
    var flags = ""

    var description: String {
      [kind, owner, number, name, type, label, oneof, flags].joined(separator: "\t")
    }
  }

  /// The table's own text.
  static let path = "\(BuildFolder.sources())/Tests/CSIProtocolTests/csi-v1.13.tsv"

  let rows: Set<Row>

  /// - Throws: when the file cannot be read, or a line has not eight columns.
  init(path: String = Self.path) throws {
    var rows: Set<Row> = []
    for line in try WholeFile.text(path).split(separator: "\n").dropFirst() {
      let columns = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
      guard columns.count == 8 else { throw Malformed(line: String(line)) }
      rows.insert(
        Row(
          kind: columns[0], owner: columns[1], number: columns[2], name: columns[3], type: columns[4],
          label: columns[5], oneof: columns[6], flags: columns[7].split(separator: ",").sorted().joined(separator: ","))
      )
    }
    self.rows = rows
  }

  struct Malformed: Error { var line: String }
}

/// What one side has and the other has not, as lines of the table.
func differences(_ actual: Set<FactsTable.Row>, _ expected: Set<FactsTable.Row>) -> [String] {
  expected.subtracting(actual).map { "missing: \($0)" }.sorted()
    + actual.subtracting(expected).map { "extra: \($0)" }.sorted()
}
