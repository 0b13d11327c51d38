import Glibc
import LinuxSystem
import Synchronization
import SystemPackage

/// Records of one spooled file, appended and never changed: length (4 bytes), record, checksum (8 bytes) over the record
/// and its place. What a dead worker did not write to its end ends the log. It outlives processes, not the machine.
final class RecordLog: Sendable {
  private let file: SharedDescriptor
  private let end: Mutex<Int64>

  private init(_ file: SharedDescriptor, end: Int64) {
    self.file = file
    self.end = Mutex(end)
  }

  /// A new log. - Throws: EEXIST.
  static func create(_ name: [UInt8], in folder: borrowing Descriptor) throws(Errno) -> RecordLog {
    let file = try folder.open(name: name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, mode: 0o600)
    return RecordLog(SharedDescriptor(file), end: 0)
  }

  /// Reads what a worker before has written. Something that is no record ends it, and is overwritten.
  static func open(_ name: [UInt8], in folder: borrowing Descriptor) throws(Errno) -> (RecordLog, [SpoolRecord]) {
    let file = try folder.open(name: name, O_RDWR | O_NOFOLLOW)
    let bytes = try file.readToEnd(limit: 64 << 20)
    let (records, end) = parse(bytes)
    try file.truncate(to: Int64(end))
    return (RecordLog(SharedDescriptor(file), end: Int64(end)), records)
  }

  static func parse(_ bytes: [UInt8]) -> (records: [SpoolRecord], end: Int) {
    var records: [SpoolRecord] = []
    var at = 0
    while at + 4 <= bytes.count {
      let length = (0..<4).reduce(0) { $0 | Int(bytes[at + $1]) << (8 * $1) }
      guard length > 0, length <= bytes.count - at - 12 else { break }
      let body = bytes[(at + 4)..<(at + 4 + length)]
      var sum = RecordEncoder()
      sum.add(checksum(body, at: at))
      guard bytes[(at + 4 + length)..<(at + 12 + length)].elementsEqual(sum.bytes), let record = SpoolRecord(body)
      else {
        break
      }
      records.append(record)
      at += 12 + length
    }
    return (records, at)
  }

  private static func checksum(_ body: some Sequence<UInt8>, at place: Int) -> UInt64 {
    var hash = StableHash(seed: 4)
    hash.combine(UInt64(place))
    hash.combine(body)
    return hash.value
  }

  /// - Throws: ENOSPC and the like; the log is then as it was.
  func append(_ record: SpoolRecord) throws(Errno) {
    let body = record.encoded
    try end.withLock { (end) throws(Errno) in
      var framed = (0..<4).map { UInt8(body.count >> (8 * $0) & 0xFF) } + body
      var sum = RecordEncoder()
      sum.add(Self.checksum(body, at: Int(end)))
      framed += sum.bytes
      let written = try framed.withRawSpan { (bytes) throws(Errno) in try file.descriptor.write(bytes, at: end) }
      guard written == framed.count else { throw .noSpace }
      end += Int64(framed.count)
    }
  }
}
