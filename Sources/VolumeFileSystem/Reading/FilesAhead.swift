import Synchronization
import UnderFileSystem

/// Asks for small files before they are opened, for who reads the files of a directory in the order of its listing: by tar, by cp,
/// or to train on them. What is asked for waits here for the open of its version.
final class FilesAhead: Sendable {
  struct Limits: Sendable {
    /// Files that wait here, of all directories.
    var files = 64
    /// Directories that are followed.
    var directories = 16
    /// The first window of a directory, in files.
    var smallestWindow = 4
    /// How many files apart from their order files may be read: several threads take them in turns.
    var slack = 8
  }

  /// A directory whose files are read.
  private struct Run: Sendable {
    let directory: NodeID
    /// The file that was read last, of those in order the farthest.
    var last: FileName
    /// Up to which files were asked for.
    var edge: FileName
    /// How many files are asked for ahead; 0: they are not read in order.
    var window = 0
    var lastUse: UInt64
    /// In their order, with those that have been opened meanwhile.
    var asked: [Asked] = []
    /// How many of them wait here.
    var waiting = 0
    /// A thread is asking.
    var isBusy = false
  }

  private struct Asked: Sendable {
    var name: FileName
    var version: ContentVersion
  }

  private struct State: Sendable {
    var runs: [Run] = []
    var readers: [ContentVersion: (open: OpenReader, directory: NodeID)] = [:]
    var clock: UInt64 = 0

    func run(_ directory: NodeID) -> Int? { runs.firstIndex { $0.directory == directory } }

    mutating func remove(_ version: ContentVersion) -> OpenReader? {
      guard let (open, directory) = readers.removeValue(forKey: version) else { return nil }
      if let run = run(directory) { runs[run].waiting -= 1 }
      return open
    }
  }

  private let limits: Limits
  private let state = Mutex(State())

  init(limits: Limits = Limits()) { self.limits = limits }

  /// Takes out what waits for an open of the version.
  func take(_ version: ContentVersion) -> OpenReader? {
    let taken = state.withLock { $0.readers.isEmpty ? nil : $0.remove(version) }
    // What is gone may be there again: who opens it asks.
    guard let taken, !taken.reader.isStale else { return nil }
    return taken
  }

  /// A file of the directory is read from its start, for the first time since it was opened.
  /// - Parameters:
  ///   - wasAhead: it was taken from here.
  ///   - parts: of the readers that are made.
  func begin(_ name: FileName, in directory: NodeID, _ node: any UnderNode, wasAhead: Bool, _ parts: FileReading.Parts)
  {
    let place = wasAhead ? .next : self.place(of: name, in: directory, node)
    let (wish, dropped) = state.withLock { state -> ((edge: FileName, count: Int)?, [OpenReader]) in
      state.clock += 1
      guard let run = state.run(directory) else {
        let dropped = start(name, directory, isNext: place == .next, &state)
        return place == .next ? (advance(state.runs.count - 1, to: name, &state).0, dropped) : (nil, dropped)
      }
      state.runs[run].lastUse = state.clock
      return switch place {
      case .next: advance(run, to: name, &state)
      case .lagging: (nil, [])
      case .elsewhere: (nil, turnBack(run, to: name, &state))
      }
    }
    // Closed without the lock.
    withExtendedLifetime(dropped) {}
    guard let wish else { return }
    ask(for: node.names(behind: wish.edge, limit: wish.count), in: directory, node, parts)
  }

  /// Where a file stands to the one that was read last.
  private enum Place { case next, lagging, elsewhere }

  private func place(of name: FileName, in directory: NodeID, _ node: any UnderNode) -> Place {
    guard let last = state.withLock({ state in state.run(directory).map { state.runs[$0].last } }) else {
      // Who begins with the first file of a listing goes on as in the directory before.
      return node.names(behind: FileName(bytes: []), limit: 1).contains(name) ? .next : .elsewhere
    }
    if last.precedes(name) { return node.names(behind: last, limit: limits.slack).contains(name) ? .next : .elsewhere }
    return name == last || node.names(behind: name, limit: limits.slack).contains(last) ? .lagging : .elsewhere
  }

  // MARK: Under the lock

  /// - Returns: what is let go of.
  private func start(
    _ name: FileName, _ directory: NodeID, isNext: Bool, _ state: inout State
  ) -> [OpenReader] {
    var dropped: [OpenReader] = []
    let before = state.runs.max { $0.lastUse < $1.lastUse }?.window ?? 0
    if state.runs.count >= limits.directories,
      let oldest = state.runs.indices.min(by: { state.runs[$0].lastUse < state.runs[$1].lastUse })
    {
      dropped = state.runs[oldest].asked.compactMap { state.remove($0.version) }
      state.runs.remove(at: oldest)
    }
    state.runs.append(
      Run(directory: directory, last: name, edge: name, window: isNext ? before / 2 : 0, lastUse: state.clock))
    return dropped
  }

  /// Read in order.
  /// - Returns: behind which name how many files are to be asked for, by this thread; and what is let go of.
  private func advance(
    _ place: Int, to name: FileName, _ state: inout State
  ) -> ((edge: FileName, count: Int)?, [OpenReader]) {
    if state.runs[place].last.precedes(name) { state.runs[place].last = name }
    if state.runs[place].edge.precedes(name) { state.runs[place].edge = name }
    // What others have passed over by more than threads that take turns do is not going to be read.
    let passed = state.runs[place].asked.prefix { !name.precedes($0.name) }.dropLast(limits.slack)
    let dropped = passed.compactMap { state.remove($0.version) }
    state.runs[place].asked.removeFirst(passed.count)
    // Directories that nothing waits of are at their end, or are not read any more.
    let others = state.runs.indices.count { $0 != place && state.runs[$0].waiting > 0 }
    state.runs[place].window = min(
      max(limits.smallestWindow, 2 * state.runs[place].window), max(1, limits.files / (1 + others)))
    let (window, waiting) = (state.runs[place].window, state.runs[place].waiting)
    guard !state.runs[place].isBusy, waiting <= window / 2, state.readers.count < limits.files else {
      return (nil, dropped)
    }
    state.runs[place].isBusy = true
    return ((state.runs[place].edge, min(window - waiting, limits.files - state.readers.count)), dropped)
  }

  /// Read in another order. - Returns: what is let go of.
  private func turnBack(_ place: Int, to name: FileName, _ state: inout State) -> [OpenReader] {
    state.runs[place].window /= 2
    if state.runs[place].window >= limits.smallestWindow { return [] }
    let dropped = state.runs[place].asked.compactMap { state.remove($0.version) }
    state.runs[place].asked = []
    state.runs[place].window = 0
    (state.runs[place].last, state.runs[place].edge) = (name, name)
    return dropped
  }

  // MARK: Asking

  private func ask(
    for names: [FileName], in directory: NodeID, _ node: any UnderNode, _ parts: FileReading.Parts
  ) {
    var edge: FileName?
    for name in names {
      edge = name
      guard let file = node.rememberedFile(name) else { continue }
      let version = file.contentVersion
      guard version.size > 0, version.size <= parts.limits.smallFile else { continue }
      let reader = FileReader(file, version, parts)
      reader.readAhead(0..<version.size, version.size)
      // All of it is in the page store, or there is no room.
      guard reader.holdsBytes else { continue }
      keep(OpenReader(reader), Asked(name: name, version: version), of: directory)
    }
    state.withLock { state in
      guard let place = state.run(directory) else { return }
      state.runs[place].isBusy = false
      if let edge, state.runs[place].edge.precedes(edge) { state.runs[place].edge = edge }
    }
  }

  private func keep(_ reader: OpenReader, _ asked: Asked, of directory: NodeID) {
    state.withLock { state in
      guard let place = state.run(directory), state.readers[asked.version] == nil else { return }
      state.readers[asked.version] = (reader, directory)
      state.runs[place].asked.append(asked)
      state.runs[place].waiting += 1
    }
  }
}

extension FileName {
  /// In the order of object stores.
  fileprivate func precedes(_ other: FileName) -> Bool { bytes.lexicographicallyPrecedes(other.bytes) }
}
