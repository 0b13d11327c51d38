import ObjectStore

/// One step in the life of a spooled file.
enum SpoolRecord: Sendable, Hashable {
  /// It is written for this key. - replaces: an object may be there.
  case begin(key: [UInt8], stamp: UInt64, base: ObjectVersion?)
  /// The name shows it from now on.
  case placed
  case moved(key: [UInt8], replaces: Bool)
  case upload(id: String)
  /// A part is in the upload, as it is in the spool.
  case part(Int, EntityTag)
  /// A part is about to be changed.
  case dirty(Int)
  /// A part is about to leave the spool.
  case gone(Int)
  /// The store has all of it.
  case completed(ObjectVersion)
  /// It was cut to nothing, and what the store has matters no more.
  case emptied
  /// Parts from this one on went with a truncation.
  case cut(Int)
  /// The name has gone.
  case unlinked
  /// The store is about to be told, of a file that was not there: an object of its size may be this one.
  case attempted
  /// Of no file that is being written: this version of the key continues a file of another stamp.
  case stamp(key: [UInt8], version: UInt64, stamp: UInt64)

  /// Type, then numbers of 8 bytes and texts behind their length.
  var encoded: [UInt8] {
    var out = RecordEncoder()
    switch self {
    case .begin(let key, let stamp, let base):
      out.start(1)
      out.add(key)
      out.add(stamp)
      out.add(base == nil ? 0 : 1)
      if let base { out.add(base) }
    case .placed: out.start(2)
    case .moved(let key, let replaces):
      out.start(3)
      out.add(key)
      out.add(replaces ? 1 : 0)
    case .upload(let id):
      out.start(4)
      out.add(Array(id.utf8))
    case .part(let part, let tag):
      out.start(5)
      out.add(UInt64(part))
      out.add(Array(tag.value.utf8))
    case .dirty(let part):
      out.start(6)
      out.add(UInt64(part))
    case .gone(let part):
      out.start(7)
      out.add(UInt64(part))
    case .completed(let version):
      out.start(8)
      out.add(version)
    case .emptied: out.start(9)
    case .cut(let part):
      out.start(10)
      out.add(UInt64(part))
    case .unlinked: out.start(11)
    case .attempted: out.start(12)
    case .stamp(let key, let version, let stamp):
      out.start(13)
      out.add(key)
      out.add(version)
      out.add(stamp)
    }
    return out.bytes
  }

  /// nil for what no build writes.
  init?(_ bytes: ArraySlice<UInt8>) {
    var input = RecordDecoder(bytes)
    switch input.type {
    case 1:
      guard let key = input.text(), let stamp = input.number(), let hasBase = input.number() else { return nil }
      guard hasBase == 1 else {
        self = .begin(key: key, stamp: stamp, base: nil)
        return
      }
      guard let base = input.version() else { return nil }
      self = .begin(key: key, stamp: stamp, base: base)
    case 2: self = .placed
    case 3:
      guard let key = input.text(), let replaces = input.number() else { return nil }
      self = .moved(key: key, replaces: replaces == 1)
    case 4:
      guard let id = input.text() else { return nil }
      self = .upload(id: String(decoding: id, as: UTF8.self))
    case 5:
      guard let part = input.part(), let tag = input.text() else { return nil }
      self = .part(part, EntityTag(String(decoding: tag, as: UTF8.self)))
    case 6, 7, 10:
      guard let part = input.part() else { return nil }
      self = input.type == 6 ? .dirty(part) : input.type == 7 ? .gone(part) : .cut(part)
    case 8:
      guard let version = input.version() else { return nil }
      self = .completed(version)
    case 9: self = .emptied
    case 11: self = .unlinked
    case 12: self = .attempted
    case 13:
      guard let key = input.text(), let version = input.number(), let stamp = input.number() else { return nil }
      self = .stamp(key: key, version: version, stamp: stamp)
    default: return nil
    }
  }
}

struct RecordEncoder {
  private(set) var bytes: [UInt8] = []

  mutating func start(_ type: UInt8) { bytes.append(type) }

  mutating func add(_ number: UInt64) {
    for shift in stride(from: UInt64(0), to: 64, by: 8) { bytes.append(UInt8(number >> shift & 0xFF)) }
  }

  mutating func add(_ text: [UInt8]) {
    add(UInt64(text.count))
    bytes += text
  }

  mutating func add(_ version: ObjectVersion) {
    add(UInt64(bitPattern: version.size))
    add(UInt64(bitPattern: version.lastModified))
    add(Array(version.entityTag.value.utf8))
  }
}

struct RecordDecoder {
  private var rest: ArraySlice<UInt8>
  let type: UInt8

  init(_ bytes: ArraySlice<UInt8>) {
    type = bytes.first ?? 0
    rest = bytes.dropFirst()
  }

  mutating func number() -> UInt64? {
    guard rest.count >= 8 else { return nil }
    let value = rest.prefix(8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    rest = rest.dropFirst(8)
    return value
  }

  mutating func part() -> Int? {
    guard let number = number(), number < 10_000 else { return nil }
    return Int(number)
  }

  mutating func text() -> [UInt8]? {
    guard let count = number(), count <= UInt64(rest.count) else { return nil }
    let text = Array(rest.prefix(Int(count)))
    rest = rest.dropFirst(Int(count))
    return text
  }

  mutating func version() -> ObjectVersion? {
    guard let size = number(), let modified = number(), let tag = text(), size <= UInt64(Spool.largest)
    else { return nil }
    return ObjectVersion(
      size: Int64(size), entityTag: EntityTag(String(decoding: tag, as: UTF8.self)),
      lastModified: Int64(bitPattern: modified))
  }
}
