import LinuxSystem
import Synchronization
import SystemPackage

/// The files of a volume that are being written, by path.
final class SpoolTable: Sendable {
  private let spools = Mutex<[NodePath: Spool]>([:])

  func find(_ path: NodePath) -> Spool? { spools.withLock { $0.isEmpty ? nil : $0[path] } }

  /// - Returns: false: another one has the name.
  func insert(_ spool: Spool, at path: NodePath) -> Bool {
    spools.withLock { spools in
      guard spools[path] == nil else { return false }
      spools[path] = spool
      return true
    }
  }

  /// Takes it out if it is this one.
  func remove(_ spool: Spool, at path: NodePath) {
    spools.withLock { if $0[path] === spool { $0[path] = nil } }
  }

  /// Gives it another name. What had that name is returned, and is not here any more.
  func move(_ source: NodePath, to target: NodePath) -> Spool? {
    spools.withLock { spools in
      let replaced = spools.removeValue(forKey: target)
      spools[target] = spools.removeValue(forKey: source)
      return replaced
    }
  }

  /// All of them, in no order.
  var all: [(path: NodePath, spool: Spool)] {
    spools.withLock { spools in spools.map { (path: $0.key, spool: $0.value) } }
  }

  /// Those that lie beneath a directory.
  func all(beneath directory: NodePath) -> [(path: NodePath, spool: Spool)] {
    spools.withLock { spools in
      spools.isEmpty
        ? []
        : spools.filter { $0.key != directory && $0.key.isWithin(directory) }.map { (path: $0.key, spool: $0.value) }
    }
  }

  /// Entries of those in the directory itself, for its listing.
  func entries(in directory: NodePath) -> [ListedEntry] {
    all(beneath: directory).compactMap { path, spool in
      guard path.parentCount == directory.directoryPrefix.count, let version = try? spool.version() else { return nil }
      return ListedEntry(key: path.bytes, name: FileName(bytes: path.name), version: version)
    }
  }

  var count: Int { spools.withLock { $0.count } }
}

extension Spool {
  /// As the name shows it.
  func object() throws(Errno) -> ObjectEntry.Object { .file(try version(), stamp: stamp) }
}
