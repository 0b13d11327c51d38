import ObjectStore

/// The keys of one volume's directory in a bucket.
struct VolumePrefix: Sendable {
  /// What all of them begin with: never empty, with a slash at its end.
  let bytes: [UInt8]

  /// - Parameters:
  ///   - base: beneath which volumes lie; empty or with a slash at its end.
  ///   - name: checked.
  init(base: [UInt8], name: FileName) { bytes = base + name.bytes + [0x2F] }

  /// As listings are asked for.
  var key: ObjectKey { ObjectKey(bytes: bytes) }
  /// The object that holds the id of the volume and makes the directory, whatever else it holds.
  var owner: ObjectKey { ObjectKey(bytes: bytes + HiddenName.ownerMarker.bytes) }
  /// The object that says where the directory is being archived to.
  var note: ObjectKey { ObjectKey(bytes: bytes + HiddenName.archiveNote.bytes) }
  /// What notes of copies in parts begin with.
  var copyNotes: ObjectKey { ObjectKey(bytes: bytes + HiddenName.copyNotePrefix) }
  /// The object that says how far the copy of a large object of another prefix has come.
  func copyNote(of key: ObjectKey) -> ObjectKey {
    var hash = StableHash(seed: 5)
    hash.combine(key.bytes)
    return ObjectKey(bytes: copyNotes.bytes + Array(String(hash.value, radix: 16).utf8))
  }
  /// An object in the directory's place.
  var file: ObjectKey { ObjectKey(bytes: bytes.dropLast()) }

  /// Whether a key lies beneath it.
  func holds(_ key: ObjectKey) -> Bool { key.bytes.starts(with: bytes) }

  /// Where a key of `source` goes when that is moved here.
  func moved(_ key: ObjectKey, from source: VolumePrefix) -> ObjectKey {
    ObjectKey(bytes: bytes + key.bytes[source.bytes.count...])
  }
}
