import LinuxSystem
import Synchronization
package import SystemPackage

/// A ranged file for tests: its bytes are a function of their offsets, and nothing comes before the test says so.
package final class ScriptedFile: RangedFile {
  /// One range that was asked for. Its methods are called by one thread at a time.
  package final class Call: RangeTransfer {
    private struct State {
      var position: Int64
      var isCancelled = false
      var isOver = false
    }

    /// What was asked for.
    package let range: Range<Int64>
    private let sink: any RangeSink
    private let file: ScriptedFile
    private let state: Mutex<State>

    fileprivate init(_ range: Range<Int64>, _ sink: any RangeSink, _ file: ScriptedFile) {
      self.range = range
      self.sink = sink
      self.file = file
      state = Mutex(State(position: range.lowerBound))
    }

    package var isCancelled: Bool { state.withLock { $0.isCancelled } }
    /// The end was told.
    package var isOver: Bool { state.withLock { $0.isOver } }

    package func cancel() {
      state.withLock { $0.isCancelled = true }
      file.cancelled(self)
    }

    /// Hands over the next bytes, as many as are left of the range, in pieces.
    /// - Returns: false when the sink wants no more; it was told the end then.
    @discardableResult
    package func send(_ count: Int64 = .max, piece: Int = 16 << 10) -> Bool {
      var position = state.withLock { $0.position }
      let end = position + min(count, range.upperBound - position)
      while position < end, !isOver {
        let start = Int(position % Int64(ScriptedFile.period))
        let count = min(Int(end - position), piece, ScriptedFile.longestPiece)
        let goesOn = file.pattern.withBytes(at: start, count: count) { sink.receive($0) }
        position += Int64(count)
        state.withLock { $0.position = position }
        if !goesOn {
          finish(.canceled)
          return false
        }
      }
      return true
    }

    /// Tells the end, once.
    package func finish(_ error: Errno? = nil) {
      let wasOver = state.withLock { state in
        defer { state.isOver = true }
        return state.isOver
      }
      if !wasOver { sink.finish(error) }
    }

    /// The whole range, or the end of one that is cancelled.
    package func complete() {
      if isCancelled { return finish(.canceled) }
      if send() { finish() }
    }
  }

  /// Called when a range is asked for, by whoever asks.
  package typealias Script = @Sendable (Call) -> Void

  package let contentVersion: ContentVersion
  package let access: FileAccess = .read
  /// Tells the bytes of one file from those of another.
  package let seed: UInt64
  /// Its bytes, again and again, and a piece more.
  private let pattern: AnonymousMemory
  private let script: Script
  private let whenCancelled: Script

  /// - Parameter whenCancelled: called, by whoever cancels, each time.
  package init(
    size: Int64, path: String = "file", tag: String = "1", seed: UInt64 = 1,
    _ script: @escaping Script = { $0.complete() }, whenCancelled: @escaping Script = { _ in }
  ) {
    contentVersion = ContentVersion(
      source: Array("memory".utf8), path: Array(path.utf8), tag: Array(tag.utf8), size: size)
    self.seed = seed
    pattern = Self.pattern(seed: seed)
    self.script = script
    self.whenCancelled = whenCancelled
  }

  package var ranged: (any RangedFile)? { self }

  package func fetch(
    _ range: Range<Int64>, of version: ContentVersion, into sink: any RangeSink
  ) -> any RangeTransfer {
    precondition(
      !range.isEmpty && range.lowerBound >= 0 && range.upperBound <= contentVersion.size, "no range of the file")
    let call = Call(range, sink, self)
    script(call)
    return call
  }

  fileprivate func cancelled(_ call: Call) { whenCancelled(call) }

  /// Bytes after which the content begins anew: a prime, so that no two pages are alike.
  private static let period = 65_521
  private static let longestPiece = 1 << 20

  private static let patterns = Mutex<[UInt64: AnonymousMemory]>([:])

  private static func pattern(seed: UInt64) -> AnonymousMemory {
    patterns.withLock { patterns in
      if let present = patterns[seed] { return present }
      guard let memory = try? AnonymousMemory(byteCount: period + longestPiece) else {
        preconditionFailure("no memory for a test's content")
      }
      memory.write(Array(makePattern(seed: seed).prefix(memory.byteCount)), at: 0)
      patterns[seed] = memory
      return memory
    }
  }

  private static func makePattern(seed: UInt64) -> [UInt8] {
    var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
    let block = (0..<period).map { _ in
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      return UInt8(truncatingIfNeeded: state)
    }
    var pattern: [UInt8] = []
    while pattern.count < period + longestPiece { pattern += block }
    return pattern
  }

  /// What the file has there; at most 1 MiB.
  package func content(_ range: Range<Int64>) -> [UInt8] {
    pattern.withBytes(at: Int(range.lowerBound % Int64(Self.period)), count: range.count) { $0.bytes }
  }

  // MARK: The rest of an open file

  package func attributes() throws(Errno) -> Attributes {
    Attributes(
      inode: seed, mode: FileType.regular | 0o644, linkCount: 1, uid: 0, gid: 0, size: contentVersion.size, blocks: 0,
      accessTime: 0, modificationTime: 0, changeTime: 0)
  }

  package func read(into buffer: inout MutableRawSpan, at offset: Int64) throws(Errno) -> Int { throw .notSupported }
  package func write(_ bytes: RawSpan, at offset: Int64, durability: WriteDurability) throws(Errno) -> Int {
    throw .badFileDescriptor
  }
  package func truncate(to size: Int64) throws(Errno) { throw .badFileDescriptor }
  package func allocate(mode: Int32, offset: Int64, length: Int64) throws(Errno) { throw .badFileDescriptor }
  package func seek(to offset: Int64, whence: Int32) throws(Errno) -> Int64 { throw .notSupported }
  package func copy(from source: any OpenFile, at sourceOffset: Int64, to offset: Int64, length: Int) throws(Errno)
    -> Int
  { throw .badFileDescriptor }
  package func synchronize() throws(Errno) {}
  package func flush() throws(Errno) {}
  package func changeMode(_ mode: UInt32) throws(Errno) { throw .notSupported }
}
