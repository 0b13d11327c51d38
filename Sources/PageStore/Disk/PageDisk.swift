import LinuxSystem
import Synchronization
import SystemPackage

/// The disk as reads and fills of one store use it: with what it did lately.
final class PageDisk: Sendable {
  /// What a read brought.
  enum Answer: Sendable {
    case all
    /// The file ends before.
    case short
    /// Not in memory, and the disk is not asked or has not answered in time.
    case unavailable
    case failed(Errno)
  }

  private let cold = ColdReads()
  private let readLimit: Duration
  private let health: Mutex<(reading: DiskHealth, writing: DiskHealth)>
  /// Whether any pause was begun and not yet ended, so that the usual case takes no lock and no look at the clock.
  private let hasReadPause = Atomic(false)
  private let hasWritePause = Atomic(false)

  init(readLimit: Duration) {
    self.readLimit = readLimit
    health = Mutex((DiskHealth(patience: 2), DiskHealth()))
  }

  // MARK: Health

  /// The pauses that are on now.
  var pauses: (reading: DiskHealth.Pause?, writing: DiskHealth.Pause?) {
    let now = Deadline.now
    return health.withLock { health in
      (
        health.reading.isOn(at: now) ? nil : health.reading.pause,
        health.writing.isOn(at: now) ? nil : health.writing.pause
      )
    }
  }

  var mayRead: Bool {
    if cold.isStuck { return false }
    return !hasReadPause.load(ordering: .relaxed) || health.withLock { $0.reading.isOn(at: .now) }
  }

  var mayWrite: Bool {
    !hasWritePause.load(ordering: .relaxed) || health.withLock { $0.writing.isOn(at: .now) }
  }

  func readFailed(_ reason: DiskHealth.Reason) {
    health.withLock { $0.reading.failed(reason, at: .now) }
    hasReadPause.store(true, ordering: .relaxed)
  }

  private func readSucceeded() {
    guard hasReadPause.load(ordering: .relaxed) else { return }
    let isOver = health.withLock { health in
      health.reading.succeeded(at: .now)
      return health.reading.pause == nil
    }
    if isOver { hasReadPause.store(false, ordering: .relaxed) }
  }

  func writeFailed(_ error: Errno) {
    let reason: DiskHealth.Reason =
      switch error {
      case .noSpace, .diskQuotaExceeded: .full
      case .readOnlyFileSystem, .permissionDenied, .notPermitted: .readOnly
      default: .failing(error.rawValue)
      }
    health.withLock { $0.writing.failed(reason, at: .now) }
    hasWritePause.store(true, ordering: .relaxed)
  }

  func writeSucceeded() {
    guard hasWritePause.load(ordering: .relaxed) else { return }
    let isOver = health.withLock { health in
      health.writing.succeeded(at: .now)
      return health.writing.pause == nil
    }
    if isOver { hasWritePause.store(false, ordering: .relaxed) }
  }

  // MARK: Reads

  /// Fills `range` of the buffer, which is at most ``ColdReads/limit`` bytes long.
  func read(
    _ file: PageFile, into buffer: inout MutableRawSpan, range: Range<Int>, at offset: Int64
  ) -> Answer {
    var done = 0
    if !file.folder.faults.isSet {
      do throws(Errno) {
        done = try file.descriptor.readWithoutWaiting(into: &buffer, range: range, at: offset)
        if done == range.count { return .all }
      } catch .resourceTemporarilyUnavailable {
      } catch .notSupportedOnSocket {
        if file.folder.isMemory { return readMemory(file, into: &buffer, range: range, at: offset) }
      } catch {
        return .failed(error)
      }
    }
    let rest = range.lowerBound + done..<range.upperBound
    let answer = readCold(file, at: offset + Int64(done), count: rest.count) { bytes in
      buffer.replace(at: rest.lowerBound, with: bytes)
    }
    return answer
  }

  private func readMemory(
    _ file: PageFile, into buffer: inout MutableRawSpan, range: Range<Int>, at offset: Int64
  ) -> Answer {
    do throws(Errno) {
      return try file.descriptor.read(into: &buffer, range: range, at: offset) == range.count ? .all : .short
    } catch {
      return .failed(error)
    }
  }

  /// The checksums of `count` blocks, at most 64.
  func readChecksums(
    _ file: PageFile, firstBlock: Int64, count: Int, into words: inout InlineArray<64, UInt64>
  ) -> Answer {
    let offset = file.layout.checksumOffset(block: firstBlock)
    if !file.folder.faults.isSet {
      do throws(Errno) {
        if try file.descriptor.read(words: &words, count: count, at: offset, waiting: file.folder.isMemory) == count * 8
        {
          return .all
        }
      } catch  where error == .resourceTemporarilyUnavailable || error == .notSupportedOnSocket {
      } catch {
        return .failed(error)
      }
    }
    var found: [UInt8] = []
    let answer = readCold(file, at: offset, count: count * 8) { bytes in found = bytes.bytes }
    guard case .all = answer else { return answer }
    for index in 0..<count { words[index] = found.littleEndian(at: index * 8) }
    return .all
  }

  /// Whether the file says that the page was filled, by whichever process.
  func isPresent(_ file: PageFile, page: Int64) -> Bool {
    var flag: [UInt8] = [0]
    let answer = flag.withMutableRawSpan { read(file, into: &$0, range: 0..<1, at: file.layout.presenceOffset + page) }
    if case .all = answer { return flag == [1] }
    return false
  }

  private func readCold(_ file: PageFile, at offset: Int64, count: Int, _ body: (RawSpan) -> Void) -> Answer {
    guard mayRead else { return .unavailable }
    switch cold.read(file, at: offset, count: count, by: .after(readLimit), body) {
    case .success(let got):
      readSucceeded()
      return got == count ? .all : .short
    case .failure(let error):
      readFailed(.failing(error.rawValue))
      return .failed(error)
    case nil:
      readFailed(.slow)
      return .unavailable
    }
  }
}
