import ObjectStore

/// One object of an in-memory bucket.
struct InMemoryObject: Sendable {
  var content: [UInt8]
  var version: ObjectVersion
}

/// What an in-memory bucket holds. Used under its lock.
struct InMemoryStore: Sendable {
  private(set) var objects: [ObjectKey: InMemoryObject] = [:]
  /// All keys, sorted by their bytes.
  private(set) var order: [ObjectKey] = []
  var uploads: [ObjectUpload: [Int: [UInt8]]] = [:]
  var requests: [BucketCall: Int] = [:]
  private var uploadCount = 0
  /// A clock of its own: later with every change.
  private var time: Int64 = 1_000_000_000

  @discardableResult
  mutating func put(
    _ key: ObjectKey, _ content: [UInt8], tag: EntityTag? = nil, lastModified: Int64? = nil
  ) -> EntityTag {
    time += 1
    let tag = tag ?? Self.tag(content)
    if objects[key] == nil { order.insert(key, at: firstIndex(notBefore: key)) }
    objects[key] = InMemoryObject(
      content: content,
      version: ObjectVersion(size: Int64(content.count), entityTag: tag, lastModified: lastModified ?? time))
    return tag
  }

  mutating func remove(_ key: ObjectKey) {
    guard objects.removeValue(forKey: key) != nil else { return }
    order.remove(at: firstIndex(notBefore: key))
  }

  /// The same for the same content, as an MD5 is.
  static func tag(_ content: [UInt8]) -> EntityTag {
    var left = StableHash(seed: 1)
    left.combine(content)
    var right = StableHash(seed: 2)
    right.combine(content)
    return EntityTag(String(left.value, radix: 16) + String(right.value, radix: 16))
  }

  private func firstIndex(notBefore key: ObjectKey) -> Int {
    var low = 0
    var high = order.count
    while low < high {
      let middle = (low + high) / 2
      if order[middle] < key { low = middle + 1 } else { high = middle }
    }
    return low
  }

  // MARK: Listing

  func page(_ request: ListRequest, longest: Int) -> ObjectPage {
    var page = ObjectPage()
    let limit = min(request.limit, longest)
    let prefix = request.prefix.bytes
    // A continuation is `k` or `p` and the last key or prefix of the page before, in full.
    let continued = request.continuation.map { ObjectKey(String($0.dropFirst())) }
    let isAfterPrefix = request.continuation?.first == "p"
    let after = continued ?? request.startAfter
    var index = firstIndex(notBefore: max(request.prefix, after ?? request.prefix))
    var count = 0
    var last = ""
    while index < order.count, order[index].bytes.starts(with: prefix) {
      let key = order[index]
      if let after, key == after || isAfterPrefix && key.bytes.starts(with: after.bytes) {
        index += 1
        continue
      }
      guard count < limit else {
        page.continuation = last
        return page
      }
      count += 1
      if request.isDelimited, let slash = key.bytes[prefix.count...].firstIndex(of: 0x2F) {
        let common = ObjectKey(bytes: key.bytes[...slash])
        page.prefixes.append(common)
        last = "p\(common)"
        while index < order.count, order[index].bytes.starts(with: common.bytes) { index += 1 }
      } else {
        if let object = objects[key] { page.objects.append((key, object.version)) }
        last = "k\(key)"
        index += 1
      }
    }
    return page
  }

  // MARK: Uploads

  mutating func begin(_ key: ObjectKey) -> String {
    uploadCount += 1
    uploads[ObjectUpload(key: key, uploadID: "upload-\(uploadCount)")] = [:]
    return "upload-\(uploadCount)"
  }

  mutating func setPart(
    _ number: Int, of upload: ObjectUpload, _ content: [UInt8]
  ) throws(BucketError) -> EntityTag {
    guard uploads[upload] != nil else { throw BucketError(.notFound, "no upload \(upload.uploadID)") }
    guard (1...10_000).contains(number) else { throw BucketError(.other, "no part has number \(number)") }
    uploads[upload]?[number] = content
    return Self.tag(content)
  }

  mutating func complete(
    _ upload: ObjectUpload, _ parts: [(number: Int, tag: EntityTag)], leastPart: Int64
  ) throws(BucketError) -> EntityTag {
    guard let held = uploads[upload] else { throw BucketError(.notFound, "no upload \(upload.uploadID)") }
    guard !parts.isEmpty else { throw BucketError(.other, "an upload without parts") }
    var content: [UInt8] = []
    var previous = 0
    for (number, tag) in parts {
      guard number > previous, let part = held[number], Self.tag(part) == tag else {
        throw BucketError(.other, "part \(number) is not what was uploaded")
      }
      if previous > 0, let before = held[previous], Int64(before.count) < leastPart {
        throw BucketError(.other, "part \(previous) is too small")
      }
      content += part
      previous = number
    }
    uploads[upload] = nil
    return put(upload.key, content, tag: EntityTag("\(Self.tag(content).value)-\(parts.count)"))
  }
}
