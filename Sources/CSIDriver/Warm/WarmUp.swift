import Glibc
package import LinuxSystem
internal import Synchronization
package import SystemPackage

/// Reads the files beneath a directory of a mounted volume, so that its worker keeps their pages on the node. What is kept
/// already is passed over: a run that was interrupted goes on where it was.
package final class WarmUp: Sendable {
  /// How far it is. Counts, and sizes in bytes.
  package struct Progress: Sendable, Hashable {
    /// Found so far; all of them once `isCounted`.
    package var files = 0
    package var bytes: Int64 = 0
    package var isCounted = false
    /// Read, or found to be kept already.
    package var filesDone = 0
    package var bytesDone: Int64 = 0
    /// Of those the ones that were kept already.
    package var bytesKept: Int64 = 0
    package var failures = 0
    /// The first of them, in words.
    package var firstFailures: [String] = []

    package init() {}
  }

  private let walk: FileWalk
  private let start: [UInt8]
  private let readers: Int
  private let queue = WarmQueue(limit: 1_024)
  private let state = Mutex(Progress())
  private let monitor = Monitor()
  private let ended: Condition
  private let running: Atomic<Int>

  /// - Parameters:
  ///   - root: the volume's root, or any directory.
  ///   - path: beneath it; empty: all of it.
  ///   - readers: files that are read at a time.
  package init(root: SharedDescriptor, path: String, readers: Int = 8) {
    walk = FileWalk(root: root)
    let parts = path.split(separator: "/").filter { $0 != "." }
    start = parts.isEmpty ? FileWalk.here : Array(parts.joined(separator: "/").utf8) + [0]
    self.readers = readers
    running = Atomic(readers)
    ended = Condition(of: monitor)
  }

  /// Counts all files, then reads them; blocks until that is done.
  /// - Parameters:
  ///   - interval: between calls of `report`.
  ///   - report: called on this thread.
  /// - Returns: how it ended. Files that are removed meanwhile are no failures.
  /// - Throws: EAGAIN when the machine gives no threads.
  package func run(every interval: Duration, report: (Progress) -> Void) throws(Errno) -> Progress {
    count(every: interval, report)
    for _ in 0..<readers {
      try DetachedThread.start(name: "warm-reader", stackSize: 512 << 10) { [self] in
        read()
        monitor.locked {
          running.subtract(1, ordering: .relaxed)
          ended.broadcast()
        }
      }
    }
    try DetachedThread.start(name: "warm-walk", stackSize: 512 << 10) { [self] in
      walk.forEach(from: start) { step in
        guard case .file(let path, let size) = step else { return true }
        return queue.put(WarmQueue.File(path: path, size: size))
      }
      queue.close()
    }
    while !waitForEnd(until: .after(interval)) { report(progress) }
    return progress
  }

  private var progress: Progress { state.withLock { $0 } }

  private func waitForEnd(until deadline: Deadline) -> Bool {
    monitor.locked {
      while running.load(ordering: .relaxed) > 0 {
        if !ended.wait(until: deadline) { break }
      }
      return running.load(ordering: .relaxed) == 0
    }
  }

  private func count(every interval: Duration, _ report: (Progress) -> Void) {
    var next = Deadline.after(interval)
    walk.forEach(from: start) { step in
      switch step {
      case .file(_, let size):
        state.withLock {
          $0.files += 1
          $0.bytes += size
        }
      case .unreadable(let path, let error): failed(path, error)
      }
      if next.hasPassed {
        report(progress)
        next = .after(interval)
      }
      return true
    }
    state.withLock { $0.isCounted = true }
  }

  // MARK: Reading

  private func read() {
    var buffer = [UInt8](repeating: 0, count: Self.chunk)
    while let file = queue.take() {
      do throws(Errno) {
        try read(file, &buffer)
        state.withLock { $0.filesDone += 1 }
      } catch {
        if error != .noSuchFileOrDirectory { failed(file.path, error) }
      }
    }
  }

  private func read(_ file: WarmQueue.File, _ buffer: inout [UInt8]) throws(Errno) {
    // Past the kernel's page cache, which belongs to the applications. FUSE takes buffers as they lie; others may not.
    do throws(Errno) { try read(file, &buffer, Self.directIO) } catch .invalidArgument { try read(file, &buffer, 0) }
  }

  private func read(_ file: WarmQueue.File, _ buffer: inout [UInt8], _ flags: CInt) throws(Errno) {
    let descriptor = try walk.root.descriptor.open(
      path: file.path, O_RDONLY | O_NOFOLLOW | flags, resolve: FileWalk.inside)
    if Self.keptBytes(of: descriptor) == file.size {
      return state.withLock {
        $0.bytesDone += file.size
        $0.bytesKept += file.size
      }
    }
    try readThrough(descriptor, &buffer) { count in state.withLock { $0.bytesDone += count } }
    try readRest(of: descriptor, file.size, &buffer)
  }

  private func readThrough(
    _ file: borrowing Descriptor, _ buffer: inout [UInt8], _ each: (Int64) -> Void
  ) throws(Errno) {
    var offset: Int64 = 0
    while true {
      let count = try file.read(into: &buffer, count: Self.chunk, at: offset)
      offset += Int64(count)
      each(Int64(count))
      if count < Self.chunk { return }
    }
  }

  /// A worker lets no reader wait for the node's disk: what that did not take in time is read once more, as long as this
  /// brings something.
  private func readRest(of file: borrowing Descriptor, _ size: Int64, _ buffer: inout [UInt8]) throws(Errno) {
    var before: Int64 = -1
    for attempt in 1...Self.attempts {
      guard var kept = Self.keptBytes(of: file), kept < size else { return }
      // Pages may be on their way to the disk.
      Deadline.after(.milliseconds(50 * attempt)).wait()
      kept = Self.keptBytes(of: file) ?? size
      guard kept < size, kept > before else { return }
      before = kept
      try readThrough(file, &buffer) { _ in }
    }
  }

  /// What the worker says is on the node; nil where it does not say.
  private static func keptBytes(of file: borrowing Descriptor) -> Int64? {
    guard let value = try? file.extendedAttribute(Array(keptAttribute.utf8) + [0]) else { return nil }
    return Int64(String(decoding: value, as: UTF8.self))
  }

  private func failed(_ path: [UInt8], _ error: Errno) {
    let name = String(decoding: path.dropLast(), as: UTF8.self)
    state.withLock {
      $0.failures += 1
      if $0.firstFailures.count < 10 { $0.firstFailures.append("\(name): \(error)") }
    }
  }

  /// Extended attribute of files of object-store volumes: bytes of the file that the node's page store has, in decimal
  /// digits. VolumeFileSystem/Semantics.md.
  package static let keptAttribute = "user.alluxio.cached"
  /// Bytes: the largest request that the kernel makes.
  private static let chunk = 1 << 20
  /// Times that a file is read again at most.
  private static let attempts = 10
  /// O_DIRECT.
  private static let directIO = Descriptor.directIOFlag
}
