internal import VolumeModel

/// Words that come from a worker, which nobody trusts, as values of labels: few, short and plain. A scrape stays small
/// whatever a worker says.
enum BoundedLabels {
  static let other = "other"
  /// Of errno(3), of kinds of requests and of codes of one kind: more than workers have in practice.
  static let errors = 40
  static let kinds = 16
  static let codes = 20
  private static let longest = 32

  /// Counts by word; those beyond the first `limit` words, and those whose word is none, together as ``other``.
  static func fold(_ counts: [(String, UInt64)], keeping limit: Int) -> [(String, UInt64)] {
    var kept: [String: UInt64] = [:]
    var rest: UInt64 = 0
    for (word, count) in counts {
      if isPlain(word), kept[word] != nil || kept.count < limit {
        kept[word, default: 0] &+= count
      } else {
        rest &+= count
      }
    }
    let sorted = kept.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    return rest == 0 ? sorted : sorted + [(other, rest)]
  }

  /// The kinds of requests that have a plain name, each once.
  static func kinds(of counters: VolumeCounters) -> [(String, VolumeCounters.Requests)] {
    let named = counters.requests.filter { isPlain($0.kind) }.prefix(kinds)
    return Dictionary(named.map { ($0.kind, $0) }) { first, _ in first }.sorted { $0.key < $1.key }
  }

  private static func isPlain(_ word: String) -> Bool {
    !word.isEmpty && word.utf8.count <= longest && word != other
      && word.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
          true
        default: false
        }
      }
  }
}
