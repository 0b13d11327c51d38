/// Sizes that a request asks for, in bytes (CSI `CapacityRange`); 0 is "not given".
package struct CapacityRange: Sendable, Hashable {
  /// In bytes; 0: not asked for.
  package var required: Int64
  package var limit: Int64

  package init(required: Int64 = 0, limit: Int64 = 0) {
    self.required = required
    self.limit = limit
  }

  /// Checks that the range can be met at all.
  /// - Throws: `.outOfRange` for negative sizes and a limit below what is required.
  package func validate() throws(CSIError) {
    guard required >= 0, limit >= 0 else {
      throw .outOfRange(problem: "capacity_range has a negative size: give sizes in bytes from 0")
    }
    guard limit == 0 || required <= limit else {
      throw .outOfRange(problem: "capacity_range requires \(required) bytes and allows \(limit): raise the limit")
    }
  }

  /// Whether a volume of this size is what was asked for.
  package func includes(_ size: Int64) -> Bool { size >= required && (limit == 0 || size <= limit) }
}

/// Where a volume can be reached (CSI `Topology`).
package struct Topology: Sendable, Hashable {
  /// Topology keys and values.
  package var segments: [String: String]
  package init(segments: [String: String]) { self.segments = segments }
}

/// A volume as replies carry it (CSI `Volume`).
package struct Volume: Sendable, Hashable {
  /// As the registry knows it.
  package var id: String
  /// 0: unknown.
  package var capacityBytes: Int64
  package var context: [String: String]

  package init(id: String, capacityBytes: Int64, context: [String: String]) {
    self.id = id
    self.capacityBytes = capacityBytes
    self.context = context
  }
}
