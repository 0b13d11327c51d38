import ObjectStore

/// One name of a directory as a listing has it.
struct ListedEntry: Sendable, Hashable {
  /// The key; a directory's with the slash at its end. By this the store sorts.
  var key: [UInt8]
  var name: FileName
  /// Of a file; nil for a directory.
  var version: ObjectVersion?

  var isDirectory: Bool { version == nil }
  /// Without a slash at its end.
  var fileKey: ArraySlice<UInt8> { isDirectory ? key.dropLast() : key[...] }
}

/// The names on one page of a listing, in the order of the store.
struct ListedPage: Sendable {
  private(set) var entries: [ListedEntry] = []
  /// Keys and prefixes that are no names.
  private(set) var hiddenCount = 0
  /// A file at the end of a page that is not the last: whether it is shown depends on what comes.
  private(set) var held: ListedEntry?
  /// Files that are directories as well if there is a prefix between the end of this page and the one named.
  private(set) var unclear: [Int] = []

  /// - Parameters:
  ///   - page: of a listing with the delimiter.
  ///   - directory: whose prefix was listed.
  ///   - last: key of the last entry before this page: what does not follow it has been there, or is out of order.
  ///   - held: of the page before.
  ///   - written: files that the store may not have yet.
  init(
    _ page: ObjectPage, in directory: NodePath, after last: [UInt8]?, held before: ListedEntry?,
    written: [ListedEntry] = []
  ) {
    let prefix = directory.directoryPrefix
    var found: [ListedEntry] = before.map { [$0] } ?? []
    found.reserveCapacity(page.objects.count + page.prefixes.count + 1)
    for (key, version) in page.objects where key.bytes != prefix {
      guard key.bytes.starts(with: prefix), let name = ObjectKeys.name(key.bytes[prefix.count...]) else {
        hiddenCount += 1
        continue
      }
      found.append(ListedEntry(key: key.bytes, name: name, version: version))
    }
    for key in page.prefixes {
      guard key.bytes.starts(with: prefix), key.bytes.last == 0x2F, key.bytes.count > prefix.count,
        let name = ObjectKeys.name(key.bytes[prefix.count...].dropLast())
      else {
        hiddenCount += 1
        continue
      }
      found.append(ListedEntry(key: key.bytes, name: name, version: nil))
    }
    let greatest = [page.objects.last?.key.bytes, page.prefixes.last?.bytes].compactMap(\.self)
      .max { $0.lexicographicallyPrecedes($1) }
    let end = page.continuation == nil ? nil : greatest
    found += written.filter { entry in end.map { entry.key.lexicographicallyPrecedes($0) } ?? true }
    Self.sort(&found)
    place(found, after: last, end: end)
  }

  /// Mostly it is sorted as it comes.
  private static func sort(_ found: inout [ListedEntry]) {
    let isSorted = found.indices.dropFirst().allSatisfy {
      !found[$0].key.lexicographicallyPrecedes(found[$0 - 1].key)
    }
    if !isSorted { found.sort { $0.key.lexicographicallyPrecedes($1.key) } }
  }

  /// - Parameter end: the last key of a page that is not the last one.
  private mutating func place(_ found: [ListedEntry], after last: [UInt8]?, end: [UInt8]?) {
    entries.reserveCapacity(found.count)
    let directories = Set(found.lazy.filter(\.isDirectory).map(\.name))
    var previous = last
    for entry in found {
      if let previous, !previous.lexicographicallyPrecedes(entry.key) { continue }
      // A directory of the same name is shown in its place.
      if !directories.isEmpty, !entry.isDirectory, directories.contains(entry.name) { continue }
      previous = entry.key
      // Whether the page ends before the prefix of that name would come: only where its end begins with the key.
      if let end, !entry.isDirectory, end.starts(with: entry.key),
        end.count == entry.key.count || end[entry.key.count] < 0x2F
      {
        if entry.key == end {
          held = entry
          continue
        }
        unclear.append(entries.count)
      }
      entries.append(entry)
    }
  }

  /// Leaves out files that have turned out to be directories. - Parameter places: in `entries`, ascending.
  mutating func drop(_ places: [Int]) {
    for place in places.reversed() { entries.remove(at: place) }
    unclear = []
  }
}
