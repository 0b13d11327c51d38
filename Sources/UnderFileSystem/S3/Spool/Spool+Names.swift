import LinuxSystem
import ObjectStore
import Synchronization
import SystemPackage

/// What happens to the name of a spooled file.
extension Spool {
  /// The name shows it from now on.
  func place() throws(Errno) { try serialized { () throws(Errno) in _ = try record(.placed) } }

  /// The name has gone: what is written from now on is dropped with the last close.
  func unlink() throws(Errno) {
    try serialized { () throws(Errno) in
      try record(.unlinked)
      // One that begins at this moment is waited for, and none begins later.
      if let upload = uploadBeginning.withLock({ _ in snapshot.upload }) { try? fileSystem.bucket.abort(upload) }
    }
  }

  /// Whether a rename is a matter of the spool alone: nothing of it is in the store.
  var movesAlone: Bool {
    let known = snapshot
    return known.isDirty && !known.replaces && known.parts.values.allSatisfy(\.isLocal)
  }

  /// Its key is another one. What was uploaded for the old one is sent again.
  /// - Parameter replaces: whether the target was there.
  func move(to path: NodePath, replaces: Bool) throws(Errno) {
    try serialized { () throws(Errno) in
      while uploadsUnderWay > 0 { waitForUpload() }
      let upload = snapshot.upload
      try record(.moved(key: path.bytes, replaces: replaces))
      if let upload { try? fileSystem.bucket.abort(upload) }
    }
  }

  /// The store has copied it to another key, as it was.
  func moved(to path: NodePath, _ version: ObjectVersion) throws(Errno) {
    try serialized { () throws(Errno) in
      try record(.moved(key: path.bytes, replaces: true))
      if !snapshot.isDirty { try record(.completed(version)) }
    }
  }

  /// Ends it: what the store does not have is lost.
  func discard() {
    _ = try? serialized { () throws(Errno) in
      while uploadsUnderWay > 0 { waitForUpload() }
      if let upload = snapshot.upload { try? fileSystem.bucket.abort(upload) }
      release()
    }
  }
}
