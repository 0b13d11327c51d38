/// One content of one file: what its pages belong to.
package struct FileVersion: Sendable, Hashable {
  /// What tells this content of the file from any other.
  package enum Revision: Sendable, Hashable {
    case etag([UInt8])
    /// Time of modification in nanoseconds since the epoch; the size goes with it.
    case modified(Int64)
  }

  /// The under file system, such as `s3://bucket` with its endpoint: two that hold different files never have one name.
  package var underFileSystem: [UInt8]
  /// The file's path or key in it, byte for byte.
  package var path: [UInt8]
  package var revision: Revision
  /// In bytes.
  package var size: Int64

  package init(underFileSystem: [UInt8], path: [UInt8], revision: Revision, size: Int64) {
    self.underFileSystem = underFileSystem
    self.path = path
    self.revision = revision
    self.size = size
  }

  /// The identity as it stands in the file's tail. Different for different versions and page sizes.
  func identity(pageSize: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(64 + underFileSystem.count + path.count)
    bytes.append(littleEndian: UInt64(size))
    bytes.append(littleEndian: UInt64(pageSize))
    func add(_ part: [UInt8]) {
      bytes.append(littleEndian: UInt64(part.count))
      bytes += part
    }
    add(underFileSystem)
    add(path)
    switch revision {
    case .etag(let tag):
      bytes.append(1)
      add(tag)
    case .modified(let nanoseconds):
      bytes.append(2)
      bytes.append(littleEndian: UInt64(bitPattern: nanoseconds))
    }
    return bytes
  }
}

/// The number of a file version: 128 bits of the hash of its identity, which alone does not prove that it is the version.
package struct FileVersionID: Sendable, Hashable {
  /// The halves of the hash.
  package var high: UInt64
  package var low: UInt64

  package init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  init(identity: [UInt8]) {
    (high, low) = PageChecksum.digest(identity)
  }

  /// Of the version in a store with this page size.
  package init(of version: FileVersion, pageSize: Int) { self.init(identity: version.identity(pageSize: pageSize)) }

  private static let digits = Array("0123456789abcdef".utf8)

  /// The first of 256 folders and the name in it, each ending in a NUL.
  var folderName: [UInt8] { Array(hex.prefix(2)) + [0] }
  var fileName: [UInt8] { Array(hex.dropFirst(2)) + [0] }
  /// `folder/name`, ending in a NUL.
  var pathName: [UInt8] { Array(hex.prefix(2)) + [UInt8(ascii: "/")] + hex.dropFirst(2) + [0] }

  private var hex: [UInt8] {
    var text: [UInt8] = []
    text.reserveCapacity(36)
    for half in [high, low] {
      for shift in stride(from: 60, through: 0, by: -4) { text.append(Self.digits[Int((half >> UInt64(shift)) & 15)]) }
    }
    return text
  }

  /// Of the names that ``folderName`` and ``fileName`` give, without their NULs; nil for any other name.
  init?(folder: some Collection<UInt8>, name: some Collection<UInt8>) {
    guard folder.count == 2, name.count == 30 else { return nil }
    var halves: (UInt64, UInt64) = (0, 0)
    for (index, digit) in (Array(folder) + Array(name)).enumerated() {
      guard let value = Self.digits.firstIndex(of: digit) else { return nil }
      if index < 16 { halves.0 = halves.0 << 4 | UInt64(value) } else { halves.1 = halves.1 << 4 | UInt64(value) }
    }
    self.init(high: halves.0, low: halves.1)
  }

  /// The name of a page in the index and among the ghosts. Two pages with one key would only be counted as one.
  func key(page: Int64) -> UInt64 {
    var value = low &+ UInt64(bitPattern: page) &* 0x9E37_79B9_7F4A_7C15
    value = (value ^ (value >> 32)) &* 0xD6E8_FEB8_6659_FD93
    return value ^ (value >> 32) ^ high
  }
}

extension [UInt8] {
  mutating func append<Word: FixedWidthInteger & UnsignedInteger>(littleEndian word: Word) {
    for shift in stride(from: 0, to: Word.bitWidth, by: 8) { append(UInt8(truncatingIfNeeded: word >> Word(shift))) }
  }

  /// Past the end it traps: look at the count first.
  func littleEndian<Word: FixedWidthInteger & UnsignedInteger>(_ type: Word.Type = Word.self, at offset: Int) -> Word {
    var word: Word = 0
    for index in 0..<(Word.bitWidth / 8) { word |= Word(self[offset + index]) << Word(8 * index) }
    return word
  }
}
