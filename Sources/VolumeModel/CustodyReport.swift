/// Who holds copies of a volume's descriptors beside its mounter, so that the next mounter can go on with the volume.
package struct CustodyReport: Sendable, Hashable {
  /// Programs, with their process ids.
  package var custodians: [String]
  /// What none of the copies has, in words for people.
  package var missing: [String]

  package init(custodians: [String], missing: [String] = []) {
    self.custodians = custodians
    self.missing = missing
  }

  /// One line: whether the mount outlives its mounter, and what is in the way.
  package var sentence: String {
    if custodians.isEmpty { return "none: if the mounter dies, the volume is mounted anew and open files are lost" }
    let names = custodians.joined(separator: ", ")
    return missing.isEmpty ? "complete: \(names)" : "incomplete, without \(missing.joined(separator: ", ")): \(names)"
  }
}
