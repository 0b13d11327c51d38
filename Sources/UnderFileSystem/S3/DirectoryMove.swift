import LinuxSystem
import SystemPackage
import ObjectStore

/// Moves all keys of a directory to another prefix. A hidden note in the target, named after the source, tells who repeats
/// the move after a worker's death that what is there came from here.
struct DirectoryMove {
  private let fileSystem: ObjectFileSystem
  private let source: NodePath
  private let target: NodePath
  private let note: ObjectKey

  /// Keys that are moved; more are EXDEV.
  static let mostKeys = 1000
  private static let width = 16

  init(_ fileSystem: ObjectFileSystem, _ source: NodePath, _ target: NodePath) {
    self.fileSystem = fileSystem
    self.source = source
    self.target = target
    let name = HiddenName.temporary(token: fileSystem.keys.inode(source, isDirectory: true))
    note = ObjectKey(bytes: target.directoryPrefix + name.bytes)
  }

  func run() throws(Errno) {
    // What is being written is brought to the store, and moved there.
    let written = fileSystem.tree.spools.all(beneath: source)
    for (_, spool) in written { try spool.complete() }
    let objects = try keys()
    guard objects.count <= Self.mostKeys else { throw .tooManyKeys }
    guard objects.allSatisfy({ moved($0.key).bytes.count <= ObjectKey.longest }) else { throw .longName }
    try checkTarget()
    let (bucket, log, tree) = (fileSystem.bucket, fileSystem.log, fileSystem.tree)
    do throws(Errno) {
      try log.reporting("the note of a move", target) { () throws(BucketError) in
        _ = try bucket.put(note, .bytes([]), ifAbsent: false)
      }
      try copy(objects)
      try log.reporting("the removal after a move", source) { () throws(BucketError) in
        let left = try objects.isEmpty ? [] : bucket.delete(objects.map(\.key))
        if let first = left.first { throw BucketError(.other, "\(left.count) keys are still there, as \(first.key)") }
        try bucket.delete(note)
      }
    } catch {
      tree.forget(source)
      tree.forget(target)
      throw error
    }
    for (path, spool) in written {
      guard let moved = path.moved(from: source, to: target), let now = try tree.entry(moved).file else { continue }
      _ = tree.spools.move(path, to: moved)
      try spool.moved(to: moved, now.version)
    }
    tree.changed(source, to: .absent)
    tree.changed(target, to: .directory)
  }

  private func moved(_ key: ObjectKey) -> ObjectKey {
    ObjectKey(bytes: target.directoryPrefix + key.bytes[source.directoryPrefix.count...])
  }

  /// Whether an attempt before has left its note.
  func isBegun() throws(Errno) -> Bool {
    var request = ListRequest(prefix: note)
    request.limit = 1
    return try fileSystem.tree.list(request, target).objects.contains { $0.key == note }
  }

  /// An empty directory may be replaced, and one that an earlier attempt has begun to fill is filled.
  private func checkTarget() throws(Errno) {
    if try isBegun() { return }
    let contents = try ObjectNode(fileSystem, target, .directory).contents(of: target)
    guard contents.isEmpty else { throw .directoryNotEmpty }
  }

  /// All keys beneath the source, or one more than are moved.
  private func keys() throws(Errno) -> [(key: ObjectKey, version: ObjectVersion)] {
    var request = ListRequest(prefix: source.markerKey)
    request.isDelimited = false
    var found: [(key: ObjectKey, version: ObjectVersion)] = []
    while true {
      let page = try fileSystem.tree.list(request, source)
      found += page.objects
      guard found.count <= Self.mostKeys, let next = page.continuation else { return found }
      request.continuation = next
    }
  }

  private func copy(_ objects: [(key: ObjectKey, version: ObjectVersion)]) throws(Errno) {
    let move = self
    try ParallelCalls.run(objects.count, width: Self.width) { index throws(Errno) in
      let (key, version) = objects[index]
      let path = move.source
      let copied = try move.fileSystem.log.reporting("a copy", path) { () throws(BucketError) in
        try ObjectCopy(move.fileSystem, version).run(key, to: move.moved(key), ifAbsent: false)
      }
      move.note(key, version, copied)
    }
  }

  /// Tells the tree about one key and the directories that lead to it.
  private func note(_ key: ObjectKey, _ version: ObjectVersion, _ copied: ObjectVersion) {
    var (old, new) = (source, target)
    let rest = key.bytes[source.directoryPrefix.count...]
    let names = rest.split(separator: 0x2F, omittingEmptySubsequences: false)
    for (place, name) in names.enumerated() where !name.isEmpty {
      old = old.child(name)
      new = new.child(name)
      let isLast = place == names.count - 1
      let stamp = fileSystem.tree.stamp(of: version, at: PathHash(old.bytes))
      if isLast { fileSystem.tree.keepStamp(stamp, for: copied, at: new) }
      fileSystem.tree.changed(new, to: isLast ? .file(copied, stamp: stamp) : .directory)
      fileSystem.tree.changed(old, to: .absent)
    }
  }
}
