internal import LinuxSystem
internal import SystemPackage
internal import VolumeModel

/// What the mounter reads of a volume's shared state. A worker may have written anything there.
enum SharedStateHeader {
  /// The version of the state and the oldest that can read it; nil for what is no state of a volume.
  static func versions(of memory: borrowing Descriptor) throws(Errno) -> (version: UInt32, oldestReader: UInt32)? {
    let bytes = try Memfd.firstBytes(16, of: memory)
    guard bytes.count == 16, number(bytes, SharedStateLayout.magicOffset, 8) == SharedStateLayout.magic else {
      return nil
    }
    return (
      UInt32(truncatingIfNeeded: number(bytes, SharedStateLayout.versionOffset, 4)),
      UInt32(truncatingIfNeeded: number(bytes, SharedStateLayout.oldestReaderOffset, 4))
    )
  }

  /// Whether the last worker that mapped the state had taken a request which wants an answer. True where that cannot be read.
  static func lastWorkerWasAsked(of memory: borrowing Descriptor) -> Bool {
    let end = SharedStateLayout.askedWorkerOffset + 8
    guard let bytes = try? Memfd.firstBytes(end, of: memory), bytes.count == end else { return true }
    return number(bytes, SharedStateLayout.askedWorkerOffset, 8)
      == number(bytes, SharedStateLayout.workerGenerationOffset, 4)
  }

  private static func number(_ bytes: [UInt8], _ offset: Int, _ count: Int) -> UInt64 {
    (0..<count).reduce(0) { $0 | UInt64(bytes[offset + $1]) << (8 * $1) }
  }
}
