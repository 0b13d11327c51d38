import Glibc
package import LinuxSystem
import Synchronization
import SystemPackage

/// Where files are kept that are written and not yet in the store: a folder of one worker key on local disk. Each has its
/// bytes in `ID.data`, at their own offsets, and its story in `ID.log`; `stamps.log` is about those that the store has.
package final class SpoolFolder: Sendable {
  let folder: SharedDescriptor
  let limits: SpoolLimits
  let stamps: StampLog
  /// Bytes of parts that are in spools, about.
  private let used = Mutex<Int64>(0)

  /// - Parameter folder: opened for reading, O_DIRECTORY; nobody else uses it.
  package init(_ folder: SharedDescriptor, limits: SpoolLimits = SpoolLimits()) {
    self.folder = folder
    self.limits = limits
    stamps = StampLog(folder)
  }

  func add(_ bytes: Int64) { used.withLock { $0 += bytes } }

  var isOverRoom: Bool { used.withLock { $0 > limits.room } }

  // MARK: Files

  func createData(_ id: UInt64) throws(Errno) -> SharedDescriptor {
    let flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW
    return SharedDescriptor(try folder.descriptor.open(name: Self.name(id, "data"), flags, mode: 0o600))
  }

  func openData(_ id: UInt64) throws(Errno) -> SharedDescriptor {
    SharedDescriptor(try folder.descriptor.open(name: Self.name(id, "data"), O_RDWR | O_NOFOLLOW))
  }

  func createLog(_ id: UInt64) throws(Errno) -> RecordLog {
    try RecordLog.create(Self.name(id, "log"), in: folder.descriptor)
  }

  func openLog(_ id: UInt64) throws(Errno) -> (RecordLog, [SpoolRecord]) {
    try RecordLog.open(Self.name(id, "log"), in: folder.descriptor)
  }

  /// The story goes first: bytes without one are nothing.
  func remove(_ id: UInt64) {
    for suffix in ["log", "data"] {
      try? folder.descriptor.remove(name: Self.name(id, suffix), directory: false)
    }
  }

  /// Ids of all files that an earlier worker left, in no order.
  func ids() throws(Errno) -> Set<UInt64> {
    var ids: Set<UInt64> = []
    var reader = try DirectoryReader(try folder.descriptor.open(name: [0x2E, 0], O_RDONLY | O_DIRECTORY), from: 0)
    _ = try reader.forEach { (name, _, _, _) throws(Errno) in
      var text: [UInt8] = []
      for index in 0..<name.count - 1 { text.append(name[index]) }
      let parts = String(decoding: text, as: UTF8.self).split(separator: ".")
      if parts.count == 2, parts[0].utf8.count == 16, let id = UInt64(parts[0], radix: 16) { ids.insert(id) }
      return true
    }
    return ids
  }

  private static func name(_ id: UInt64, _ suffix: String) -> [UInt8] {
    let digits = String(id, radix: 16)
    return Array((String(repeating: "0", count: 16 - digits.utf8.count) + digits + "." + suffix).utf8) + [0]
  }
}

/// How much is kept on local disk, and how much is sent at a time.
package struct SpoolLimits: Sendable, Hashable {
  /// Bytes of a volume's spools beyond which parts that are in the store leave them.
  package var room: Int64 = 256 << 20
  /// Parts under way to the store at a time, of one file.
  package var uploads = 4
  /// Bytes of the first parts; what is not larger is sent whole. S3 takes no parts below 5 MiB.
  package var firstPart: Int64 = 8 << 20

  package init() {}
}
