/// Secret values of a volume by key. They are shown nowhere: not by printing, not by reflection, not in an error.
package struct VolumeSecrets: Sendable, Hashable {
  /// Never logged, never described.
  package let values: [String: String]

  package init(_ values: [String: String]) { self.values = values }
}

extension VolumeSecrets: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  package var description: String { "\(values.count) secrets" }
  package var debugDescription: String { description }
  package var customMirror: Mirror { Mirror(self, children: []) }
}
