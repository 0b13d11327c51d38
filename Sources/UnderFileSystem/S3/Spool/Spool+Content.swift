import LinuxSystem
import ObjectStore
import SystemPackage

/// Reading and changing the bytes of a spooled file.
extension Spool {
  /// - Returns: fewer bytes than fit only at the end of the file.
  /// - Throws: EOPNOTSUPP for a part that has left the spool and is in an upload that is not complete.
  func read(into buffer: inout MutableRawSpan, at offset: Int64) throws(Errno) -> Int {
    let known = snapshot
    let end = min(try size(), offset + Int64(buffer.byteCount))
    guard offset < end else { return 0 }
    var done: Int64 = 0
    for part in known.layout.parts(offset..<end) {
      let range = known.layout.range(part).clamped(to: offset..<end)
      let bytes = try bytes(range, of: part)
      for index in bytes.indices {
        buffer.storeBytes(of: bytes[index], toByteOffset: Int(done) + index, as: UInt8.self)
      }
      done += Int64(bytes.count)
      // The file was cut meanwhile.
      if bytes.count < range.count { break }
    }
    return Int(done)
  }

  private func bytes(_ range: Range<Int64>, of part: Int) throws(Errno) -> [UInt8] {
    if snapshot.parts[part]?.isLocal ?? true {
      let bytes = try data.descriptor.bytes(at: range.lowerBound, count: range.count)
      // It may have left meanwhile; that is recorded before its bytes go.
      if snapshot.parts[part]?.isLocal ?? true { return bytes }
    }
    let known = snapshot
    guard known.parts[part]?.isInBase == true, let base = known.base else {
      throw fileSystem.refused.refuse("reading a part that has left the spool")
    }
    do throws(Errno) { return try fileSystem.bytes(of: path, base, range) } catch {
      // Its name is gone, and the version with it.
      throw error == .noSuchFileOrDirectory ? .versionGone : error
    }
  }

  /// - Returns: bytes written; fewer than given only when the disk is full.
  /// - Throws: EOPNOTSUPP for a part that has left the spool; ENOSPC; what the uploads say for which room was waited.
  func write(_ bytes: RawSpan, at offset: Int64) throws(Errno) -> Int {
    guard offset >= 0 else { throw .negativePlace }
    guard bytes.byteCount > 0 else { return 0 }
    let end = offset + Int64(bytes.byteCount)
    guard end <= Self.largest else { throw .fileTooLarge }
    let written = try serialized { () throws(Errno) in
      // Behind the end lies a hole: the last part grows as well.
      let changed = min(offset, try size())..<end
      defer { touched() }
      try touch(snapshot.layout.parts(changed))
      let before = try size()
      let written = try data.descriptor.write(bytes, at: offset)
      count(max(0, offset + Int64(written) - before))
      noteChange()
      return written
    }
    try sendWhatIsFull(before: offset)
    return written
  }

  /// S3's largest object.
  static let largest: Int64 = 5 << 40

  func truncate(to size: Int64) throws(Errno) {
    guard size >= 0 else { throw .negativePlace }
    guard size <= Self.largest else { throw .fileTooLarge }
    try serialized { () throws(Errno) in
      let before = try self.size()
      if size == 0 {
        defer { touched(isCut: true) }
        return try empty(before)
      }
      guard size != before else { return }
      let layout = snapshot.layout
      defer { touched(isCut: true) }
      if size < before {
        let last = layout.part(at: size - 1)
        if layout.start(last + 1) != size { try touch(last..<last + 1) }
        try record(.cut(last + 1))
      } else {
        try touch(layout.parts(before..<size))
      }
      try data.descriptor.truncate(to: size)
      count(size - before)
      noteChange()
    }
  }

  private func empty(_ before: Int64) throws(Errno) {
    let upload = snapshot.upload
    try record(.emptied)
    try data.descriptor.truncate(to: 0)
    count(-before)
    noteChange()
    if let upload { try? fileSystem.bucket.abort(upload) }
  }
}

extension SpoolState {
  var upload: ObjectUpload? { uploadID.map { ObjectUpload(key: ObjectKey(bytes: key), uploadID: $0) } }
}
