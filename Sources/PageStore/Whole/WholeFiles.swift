import LinuxSystem
import Synchronization

/// Which versions are whole in a file of their own, what these files take, and which are to become so.
final class WholeFiles: @unchecked Sendable {
  // SAFETY (Sendable): all mutable state is touched only under `monitor`.

  struct Entry: Sendable {
    /// On disk.
    var bytes: Int64
    /// Nanoseconds since 1970.
    var lastUse: Int64
  }

  /// Versions that wait at most; what comes then is asked for again when it is opened again.
  private static let maximumWaiting = 1024
  /// Files that were used within so many nanoseconds make no room for others: epochs that are larger than the room would
  /// write and remove all of them each time.
  static let restTime: Int64 = 3_600_000_000_000

  private let monitor: Monitor
  private let ended: Condition
  private var entries: [FileVersionID: Entry] = [:]
  private var sum: Int64 = 0
  private var waiting: [FileVersion] = []
  private var isRunning = false
  private var isStopped = false
  /// The file system cannot say of a file which version it is.
  private var isOff = false

  init() {
    monitor = Monitor()
    ended = Condition(of: monitor)
  }

  /// What all take, those included that are being written.
  var bytes: Int64 { monitor.locked { sum } }

  var shallStop: Bool { monitor.locked { isStopped } }

  /// Ends what is being written soon, and takes no more.
  func stop() {
    monitor.locked {
      isStopped = true
      waiting = []
    }
  }

  /// Nothing more is written here.
  func turnOff() {
    monitor.locked {
      isOff = true
      waiting = []
    }
  }

  // MARK: What is there

  func contains(_ id: FileVersionID) -> Bool { monitor.locked { entries[id] != nil } }

  func add(_ id: FileVersionID, _ entry: Entry) {
    monitor.locked {
      sum += entry.bytes - (entries[id]?.bytes ?? 0)
      entries[id] = entry
    }
  }

  func used(_ id: FileVersionID, at now: Int64) { monitor.locked { entries[id]?.lastUse = now } }

  func remove(_ id: FileVersionID) {
    monitor.locked { if let entry = entries.removeValue(forKey: id) { sum -= entry.bytes } }
  }

  /// Looks for room for `cost` more bytes.
  /// - Returns: whether there is room, and the files that the caller removes, which are out of the sum already: what is
  ///   beyond `limit` in any case, and for `cost` only what has rested, least recently used first.
  func makeRoom(for cost: Int64, limit: Int64, at now: Int64) -> (fits: Bool, victims: [FileVersionID]) {
    monitor.locked {
      var victims: [FileVersionID] = []
      var rest = entries.sorted { $0.value.lastUse < $1.value.lastUse }[...]
      while sum > limit, let oldest = rest.popFirst() {
        victims.append(oldest.key)
        drop(oldest.key)
      }
      let missing = sum + cost - limit
      var found: Int64 = 0
      var resting: [FileVersionID] = []
      while found < missing, let oldest = rest.popFirst(), now - oldest.value.lastUse >= Self.restTime {
        found += oldest.value.bytes
        resting.append(oldest.key)
      }
      guard found >= missing else { return (false, victims) }
      for id in resting { drop(id) }
      return (true, victims + resting)
    }
  }

  /// Under the monitor.
  private func drop(_ id: FileVersionID) {
    if let entry = entries.removeValue(forKey: id) { sum -= entry.bytes }
  }

  // MARK: What is to be written

  /// - Returns: whether a thread has to be started that takes what waits.
  func ask(_ version: FileVersion) -> Bool {
    monitor.locked {
      guard !isStopped, !isOff, waiting.count < Self.maximumWaiting, !waiting.contains(version) else { return false }
      waiting.append(version)
      defer { isRunning = true }
      return !isRunning
    }
  }

  /// The next one; nil: the thread is to end.
  func next() -> FileVersion? {
    monitor.locked {
      if let first = waiting.first {
        waiting.removeFirst()
        return first
      }
      threadEnded()
      return nil
    }
  }

  /// Under the monitor.
  private func threadEnded() {
    isRunning = false
    ended.broadcast()
  }

  /// No thread could be started.
  func startFailed() {
    monitor.locked {
      waiting = []
      threadEnded()
    }
  }

  /// Waits until nothing is being written. - Returns: false when the deadline passed first.
  func drain(until deadline: Deadline) -> Bool {
    monitor.locked {
      while isRunning { if !ended.wait(until: deadline) { return !isRunning } }
      return true
    }
  }
}
