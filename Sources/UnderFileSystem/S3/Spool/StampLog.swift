import Glibc
import LinuxSystem
import Synchronization
import SystemPackage

/// The stamps that versions of this mount have kept, for the next worker: it would take the files that applications have open
/// for others. What cannot be written is not kept.
final class StampLog: Sendable {
  private struct State: Sendable {
    var log: RecordLog?
    /// Records in it, about.
    var count = 0
  }

  private static let name = Array("stamps.log\0".utf8)
  private static let nextName = Array("stamps.new\0".utf8)
  /// Records beyond which those that others have overtaken are left out.
  private static let longest = 2 * StampTable.capacity

  private let folder: SharedDescriptor
  private let state = Mutex(State())

  init(_ folder: SharedDescriptor) { self.folder = folder }

  func add(_ record: SpoolRecord) {
    state.withLock { state in
      if state.log == nil { state.log = try? open().log }
      if state.count >= Self.longest { shorten(&state) }
      guard let log = state.log, (try? log.append(record)) != nil else { return }
      state.count += 1
    }
  }

  /// What the worker before has noted, in the order in which it did.
  func load() -> [SpoolRecord] {
    state.withLock { state in
      guard let (log, records) = try? open() else { return [] }
      (state.log, state.count) = (log, records.count)
      return records
    }
  }

  /// Forgets all of it: the mount is over.
  func remove() {
    state.withLock { state in
      state = State()
      for name in [Self.name, Self.nextName] { try? folder.descriptor.remove(name: name, directory: false) }
    }
  }

  private func open() throws(Errno) -> (log: RecordLog, records: [SpoolRecord]) {
    do throws(Errno) { return (try RecordLog.create(Self.name, in: folder.descriptor), []) } catch {
      guard error == .fileExists else { throw error }
      return try RecordLog.open(Self.name, in: folder.descriptor)
    }
  }

  /// Keeps the last record of each name, of so many names as the table has. Where that fails the log goes on as it is.
  private func shorten(_ state: inout State) {
    state.count = 0
    guard let (_, records) = try? RecordLog.open(Self.name, in: folder.descriptor) else { return }
    var seen: Set<[UInt8]> = []
    let kept = records.reversed().filter { record in
      guard case .stamp(let key, _, _) = record, seen.count < StampTable.capacity else { return false }
      return seen.insert(key).inserted
    }
    do throws(Errno) {
      try? folder.descriptor.remove(name: Self.nextName, directory: false)
      let next = try RecordLog.create(Self.nextName, in: folder.descriptor)
      for record in kept.reversed() { try next.append(record) }
      try folder.descriptor.rename(name: Self.nextName, to: folder.descriptor, name: Self.name, flags: 0)
      (state.log, state.count) = (next, kept.count)
    } catch { try? folder.descriptor.remove(name: Self.nextName, directory: false) }
  }
}
