/// One line of `/proc/PID/mountinfo`. proc_pid_mountinfo(5).
package struct MountEntry: Sendable, Hashable {
  /// Reused by the kernel after an unmount.
  package var id: Int
  /// The mount that this one is attached to; for a stacked mount the one directly below it.
  package var parentID: Int
  package var major: UInt32
  /// For FUSE the number of its connection.
  package var minor: UInt32
  /// The directory of the file system that is shown, as bytes. `/` unless it is a bind of something deeper.
  package var rootBytes: [UInt8]
  package var mountPointBytes: [UInt8]
  /// Per-mount options, as `rw,nosuid,nodev,relatime`.
  package var options: String
  /// Propagation: `shared:N`, `master:N`, `propagate_from:N`, `unbindable`.
  package var optionalFields: [String]
  /// As `ext4` or `fuse.alluxio-fuse`.
  package var type: String
  package var source: String
  /// Options of the file system, shared by all its mounts.
  package var superOptions: String

  /// The mount point as text; bytes that are not UTF-8 are replaced, so compare `mountPointBytes` instead.
  package var mountPoint: String { String(decoding: mountPointBytes, as: UTF8.self) }
  /// The shown directory as text, for people.
  package var root: String { String(decoding: rootBytes, as: UTF8.self) }
  /// The per-mount options as flags for `Mount.remountBind`.
  package var flags: MountFlags { MountFlags(options: options) }
  /// Whether writes are refused by this mount or by its file system.
  package var isReadOnly: Bool {
    flags.contains(.readOnly) || MountFlags(options: superOptions).contains(.readOnly)
  }
  /// Whether it shows other owners than its file system has. mount_setattr(2), "ID-mapped mounts".
  package var mapsOwners: Bool { options.split(separator: ",").contains("idmapped") }
  /// The peer group that it shares mounts with, or nil.
  package var sharedGroup: Int? {
    for field in optionalFields where field.hasPrefix("shared:") { return Int(field.dropFirst(7)) }
    return nil
  }
  /// Whether both show the same directory of the same file system: a bind and its source.
  package func showsSameDirectory(as other: MountEntry) -> Bool {
    major == other.major && minor == other.minor && rootBytes == other.rootBytes
  }

  package init(
    id: Int, parentID: Int, major: UInt32, minor: UInt32, rootBytes: [UInt8], mountPointBytes: [UInt8],
    options: String, optionalFields: [String], type: String, source: String, superOptions: String
  ) {
    self.id = id
    self.parentID = parentID
    self.major = major
    self.minor = minor
    self.rootBytes = rootBytes
    self.mountPointBytes = mountPointBytes
    self.options = options
    self.optionalFields = optionalFields
    self.type = type
    self.source = source
    self.superOptions = superOptions
  }
}

extension MountEntry {
  /// Parses one line without its newline; nil when it is not a line of mountinfo.
  package init?(line: some Sequence<UInt8>) {
    let fields = Array(line).split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
    guard fields.count >= 10, let separator = fields[6...].firstIndex(where: { $0.elementsEqual([UInt8(ascii: "-")]) }),
      fields.count == separator + 4
    else { return nil }
    let device = fields[2].split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
    guard let id = Self.number(fields[0]), let parentID = Self.number(fields[1]), device.count == 2,
      let major = Self.number(device[0]).flatMap(UInt32.init(exactly:)),
      let minor = Self.number(device[1]).flatMap(UInt32.init(exactly:)),
      !fields[3].isEmpty, !fields[4].isEmpty
    else { return nil }
    func text(_ field: ArraySlice<UInt8>) -> String { String(decoding: Self.unescaped(field), as: UTF8.self) }
    self.init(
      id: id, parentID: parentID, major: major, minor: minor, rootBytes: Self.unescaped(fields[3]),
      mountPointBytes: Self.unescaped(fields[4]), options: text(fields[5]),
      optionalFields: fields[6..<separator].map(text), type: text(fields[separator + 1]),
      source: text(fields[separator + 2]), superOptions: text(fields[separator + 3]))
  }

  /// The fifth field of a line, as the kernel wrote it; nil when there is none.
  static func mountPointField(of line: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
    var rest = line
    for _ in 0..<4 {
      guard let space = rest.firstIndex(of: UInt8(ascii: " ")) else { return nil }
      rest = rest[(space + 1)...]
    }
    guard let end = rest.firstIndex(of: UInt8(ascii: " ")) else { return nil }
    return rest[..<end]
  }

  /// Decodes `\ooo`, which the kernel writes for space, tab, newline, backslash and `#`. Anything else stands for itself.
  static func unescaped(_ field: ArraySlice<UInt8>) -> [UInt8] {
    guard field.contains(UInt8(ascii: "\\")) else { return Array(field) }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(field.count)
    var index = field.startIndex
    while index < field.endIndex {
      let digits = field[index...].dropFirst().prefix(3)
      if field[index] == UInt8(ascii: "\\"), digits.count == 3, digits.first! <= UInt8(ascii: "3"),
        digits.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "7")).contains($0) })
      {
        bytes.append(digits.reduce(0) { $0 << 3 | ($1 - UInt8(ascii: "0")) })
        index += 4
      } else {
        bytes.append(field[index])
        index += 1
      }
    }
    return bytes
  }

  /// Decimal digits only: no sign, no blanks.
  private static func number(_ field: ArraySlice<UInt8>) -> Int? {
    guard !field.isEmpty, field.count <= 18 else { return nil }
    var value = 0
    for digit in field {
      guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
      value = value * 10 + Int(digit - UInt8(ascii: "0"))
    }
    return value
  }
}
