import Glibc
import SystemPackage
import TestSupport
import UnderFileSystem
import VolumeFileSystem

/// One random operation. Numbers choose among what exists when it runs, so that a sequence stays meaningful when others of
/// its operations are left out.
enum Operation: Hashable, CustomStringConvertible {
  case make(ReferenceModel.Kind, Int, Int)
  case link(Int, Int, Int)
  case remove(Int, Int, directory: Bool)
  case rename(Int, Int, Int, Int, flags: UInt32)
  case lookup(Int, Int)
  case list(Int)
  case open(Int)
  case close(Int)
  case write(Int, Int, Int)
  case read(Int)
  case truncate(Int, Int)
  case takeOver

  static func random(_ generator: inout SeededGenerator) -> Operation {
    func number(_ bound: Int = 8) -> Int { Int.random(in: 0..<bound, using: &generator) }
    switch number(20) {
    case 0, 1, 2: return .make(.file, number(), number())
    case 3, 4: return .make(.directory, number(), number())
    case 5: return .make(.symlink, number(), number())
    case 6: return .link(number(), number(), number())
    case 7, 8: return .remove(number(), number(), directory: false)
    case 9: return .remove(number(), number(), directory: true)
    case 10, 11, 12:
      return .rename(number(), number(), number(), number(), flags: [UInt32(0), 0, 1, 2][number(4)])
    case 13: return .lookup(number(), number())
    case 14: return .list(number())
    case 15: return .open(number())
    case 16: return .close(number())
    case 17: return .write(number(), number(5000), number(5000))
    case 18: return number(4) == 0 ? .takeOver : .read(number())
    default: return .truncate(number(), number(9000))
    }
  }

  var description: String {
    switch self {
    case .make(let kind, let directory, let name): ".make(.\(kind), \(directory), \(name))"
    case .link(let file, let directory, let name): ".link(\(file), \(directory), \(name))"
    case .remove(let directory, let name, let isDirectory): ".remove(\(directory), \(name), directory: \(isDirectory))"
    case .rename(let a, let b, let c, let d, let flags): ".rename(\(a), \(b), \(c), \(d), flags: \(flags))"
    case .lookup(let directory, let name): ".lookup(\(directory), \(name))"
    case .list(let directory): ".list(\(directory))"
    case .open(let file): ".open(\(file))"
    case .close(let file): ".close(\(file))"
    case .write(let file, let offset, let count): ".write(\(file), \(offset), \(count))"
    case .read(let file): ".read(\(file))"
    case .truncate(let file, let size): ".truncate(\(file), \(size))"
    case .takeOver: ".takeOver"
    }
  }
}

/// How a volume may differ from the model.
enum Dialect: Sendable {
  case posix
  /// What Semantics.md says of object stores: no links of any sort and no exchange; removed files may be stale to those who
  /// have them open. Nothing is asked of removed directories, as no kernel does.
  case objects
  /// The same; changes of what has left the spool are refused.
  case objectsInParts
}

/// Runs operations on a volume and on the model, and says where they differ first.
struct Comparison {
  let volume: any Mortal
  let dialect: Dialect
  var model = ReferenceModel()
  /// Volume node of each model node; the lookups counted for it.
  private var numbers: [Int: NodeID] = [0: rootNode]
  private var lookups: [Int: UInt64] = [:]
  private var handles: [(file: Int, handle: HandleID)] = []
  private var writes: UInt8 = 0
  /// Chooses where workers die; nil: they live.
  private var mortality: SeededGenerator?

  /// - Parameter mortality: seed of the choice where workers die.
  init(_ volume: any Mortal, _ dialect: Dialect = .posix, mortality: UInt64? = nil) {
    self.volume = volume
    self.dialect = dialect
    self.mortality = mortality.map { SeededGenerator(seed: $0) }
  }

  /// - Returns: nil when both agree on everything, else a sentence.
  static func run(
    _ operations: [Operation], _ dialect: Dialect = .posix, mortality: UInt64? = nil, on volume: () throws -> any Mortal
  ) throws -> String? {
    var comparison = Comparison(try volume(), dialect, mortality: mortality)
    for (index, operation) in operations.enumerated() {
      if let difference = comparison.step(operation) { return "\(index): \(operation): \(difference)" }
    }
    return try comparison.finish()
  }

  private func directory(_ choice: Int) -> Int {
    let directories = model.nodes.indices.filter {
      model.nodes[$0].kind == .directory && numbers[$0] != nil && (dialect == .posix || !model.nodes[$0].isRemoved)
    }
    return directories[choice % directories.count]
  }

  /// A file that has a name or is open.
  private func file(_ choice: Int) -> Int? {
    let files = model.nodes.indices.filter { index in
      model.nodes[index].kind == .file && numbers[index] != nil
        && (model.nodes[index].links > 0 || handles.contains { $0.file == index })
    }
    return files.isEmpty ? nil : files[choice % files.count]
  }

  private func name(_ choice: Int) -> FileName { FileName(bytes: "n\(choice % 6)".utf8) }

  private mutating func learn(_ node: Int, _ entry: Entry) -> String? {
    if let known = numbers[node], known != entry.node { return "node \(entry.node) instead of \(known)" }
    numbers[node] = entry.node
    lookups[node, default: 0] += 1
    let type = entry.attributes.type
    let kind: ReferenceModel.Kind =
      type == FileType.directory ? .directory : type == FileType.symlink ? .symlink : .file
    if kind != model.nodes[node].kind { return "\(kind) instead of \(model.nodes[node].kind)" }
    if kind == .file {
      if Int(entry.attributes.linkCount) != model.nodes[node].links { return "\(entry.attributes.linkCount) links" }
      if Int(entry.attributes.size) != model.nodes[node].content.count { return "size \(entry.attributes.size)" }
    }
    return nil
  }

  /// Compares two outcomes. A directory that was removed may be stale or empty of names, as descriptors come and go.
  private func compare<R>(
    _ expected: Result<R, Errno>, _ found: Result<Entry?, Errno>, isRemoved: Bool
  ) -> String? {
    switch (expected, found) {
    case (.success, .success): return nil
    case (.failure(let wanted), .failure(let got)):
      if wanted == got || (isRemoved && got == .staleNFSFileHandle) { return nil }
      return "\(got) instead of \(wanted)"
    case (.success, .failure(let got)): return "\(got) instead of success"
    case (.failure(let wanted), .success): return "success instead of \(wanted)"
    }
  }

  /// One request, whose workers may die.
  private mutating func request<R>(
    _ body: (VolumeFileSystem, RequestID) throws(Errno) -> R
  ) -> Result<R, Errno> {
    var crashes: [CrashPoint] = []
    if var random = mortality {
      let points = CrashPoint.allCases + (dialect == .posix ? [] : CrashPoint.ofObjectStores)
      while Int.random(in: 0..<3, using: &random) == 0 {
        crashes.append(points.randomElement(using: &random) ?? .afterApply)
      }
      mortality = random
    }
    do { return try volume.perform(dyingAt: crashes, body) } catch {
      return .failure(error as? Errno ?? .ioError)
    }
  }

  private mutating func release(_ node: NodeID, _ handle: HandleID) {
    _ = request { (files, request) throws(Errno) in files.release(node, handle: handle, request: request) }
  }

  private static func attempt<R>(_ body: () throws(Errno) -> R) -> Result<R, Errno> {
    do { return .success(try body()) } catch { return .failure(error) }
  }

  mutating func step(_ operation: Operation) -> String? {
    switch operation {
    case .make, .link, .remove, .rename, .lookup, .list: return stepNames(operation)
    default: return stepFiles(operation)
    }
  }

  private mutating func stepNames(_ operation: Operation) -> String? {
    var model = self.model
    defer { self.model = model }
    switch operation {
    case .make(let kind, let where_, let what):
      let (parent, name) = (directory(where_), name(what))
      let number = numbers[parent] ?? 0
      let expected = Self.attempt { () throws(Errno) in
        if kind == .symlink, dialect != .posix { throw .notSupported }
        return try model.make(kind, name, in: parent, content: kind == .symlink ? [0x74] : [])
      }
      let found = request { (files, request) throws(Errno) -> Entry? in
        switch kind {
        case .file:
          try files.create(
            name, in: number, mode: 0o644, flags: O_RDWR | O_EXCL, caller: rootCaller, request: request
          ).entry
        case .directory:
          try files.makeDirectory(name, in: number, mode: 0o755, caller: rootCaller, request: request)
        case .symlink:
          try files.makeSymlink(name, in: number, target: [0x74], caller: rootCaller, request: request)
        }
      }
      if kind == .file, case .success(let entry?) = found {
        release(entry.node, HandleID(openFlags: O_RDWR))
      }
      self.model = model
      if let difference = compare(expected, found, isRemoved: model.nodes[parent].isRemoved) { return difference }
      if case .success(let node) = expected, case .success(let entry?) = found { return learn(node, entry) }
    case .link(let what, let where_, let newName):
      guard let target = file(what), model.nodes[target].links > 0 else { return nil }
      let (parent, name) = (directory(where_), name(newName))
      let (targetNumber, parentNumber) = (numbers[target] ?? 0, numbers[parent] ?? 0)
      let expected = Self.attempt { () throws(Errno) in
        if dialect != .posix {
          try model.checkNew(name, in: parent)
          throw .notSupported
        }
        try model.link(target, name, in: parent)
      }
      let found = request { (files, request) throws(Errno) -> Entry? in
        try files.link(targetNumber, as: name, in: parentNumber, caller: rootCaller, request: request)
      }
      self.model = model
      if let difference = compare(expected, found, isRemoved: model.nodes[parent].isRemoved) { return difference }
      if case .success(let entry?) = found { return learn(target, entry) }
    case .remove(let where_, let what, let isDirectory):
      let (parent, name) = (directory(where_), name(what))
      let number = numbers[parent] ?? 0
      let expected = Self.attempt { () throws(Errno) in
        try model.remove(name, in: parent, wantsDirectory: isDirectory)
      }
      let found = request { (files, request) throws(Errno) -> Entry? in
        if isDirectory {
          try files.removeDirectory(name, in: number, caller: rootCaller, request: request)
        } else {
          try files.unlink(name, in: number, caller: rootCaller, request: request)
        }
        return nil
      }
      return compare(expected, found, isRemoved: model.nodes[parent].isRemoved)
    case .rename(let from, let old, let to, let new, let flags):
      let (source, target) = (directory(from), directory(to))
      let (oldName, newName) = (name(old), name(new))
      let (sourceNumber, targetNumber) = (numbers[source] ?? 0, numbers[target] ?? 0)
      let flags = RenameFlags(rawValue: flags)
      let expected = Self.attempt { () throws(Errno) in
        if dialect != .posix, flags.contains(.exchange) { throw .invalidArgument }
        try model.rename(oldName, in: source, to: newName, in: target, flags: flags)
      }
      let found = request { (files, request) throws(Errno) -> Entry? in
        try files.rename(
          oldName, in: sourceNumber, to: newName, in: targetNumber, flags: flags, caller: rootCaller, request: request)
        return nil
      }
      return compare(
        expected, found, isRemoved: model.nodes[source].isRemoved || model.nodes[target].isRemoved)
    case .lookup(let where_, let what):
      let (parent, name) = (directory(where_), name(what))
      let number = numbers[parent] ?? 0
      let expected = Self.attempt { () throws(Errno) in try model.child(name, of: parent) }
      let files = volume.files
      let found = Self.attempt { () throws(Errno) -> Entry? in try files.lookup(name, in: number) }
      if let difference = compare(expected, found, isRemoved: model.nodes[parent].isRemoved) { return difference }
      if case .success(let node) = expected, case .success(let entry?) = found { return learn(node, entry) }
    case .list(let where_):
      let parent = directory(where_)
      if model.nodes[parent].isRemoved { return nil }
      let number = numbers[parent] ?? 0
      let files = volume.files
      guard case .success(let names) = Self.attempt({ () throws(Errno) in try files.names(number, page: 3) }) else {
        return "no listing"
      }
      let expected = model.nodes[parent].children.keys.map(\.description).sorted()
      if names.map(\.description).sorted() != expected { return "\(names) instead of \(expected)" }
    default: break
    }
    return nil
  }

  private mutating func stepFiles(_ operation: Operation) -> String? {
    let files = volume.files
    do throws(Errno) {
      switch operation {
      case .open(let what):
        guard let file = file(what), let number = numbers[file], model.nodes[file].links > 0 else { return nil }
        handles.append((file, try files.open(number, flags: O_RDWR, caller: rootCaller).handle))
      case .close(let which):
        guard !handles.isEmpty else { return nil }
        let (file, handle) = handles.remove(at: which % handles.count)
        release(numbers[file] ?? 0, handle)
      case .write(let which, let offset, let count):
        guard !handles.isEmpty else { return nil }
        let (file, handle) = handles[which % handles.count]
        writes &+= 1
        let bytes = [UInt8](repeating: writes, count: count)
        let written: Int
        do throws(Errno) { written = try files.write(numbers[file] ?? 0, handle, bytes, at: Int64(offset)) } catch {
          return mayBeStale(file, error) || mayRefuse(error) ? nil : "\(error)"
        }
        if written != count { return "\(written) bytes written" }
        if count > 0 { model.write(bytes, to: file, at: offset) }
      case .read(let which):
        guard !handles.isEmpty else { return nil }
        let (file, handle) = handles[which % handles.count]
        do throws(Errno) {
          let found = try files.read(numbers[file] ?? 0, handle, 20_000)
          if found != model.nodes[file].content, !mayBeOld(file) { return "other content" }
        } catch { return mayBeStale(file, error) || mayRefuse(error) ? nil : "\(error)" }
      case .truncate(let what, let size):
        guard let file = file(what), let number = numbers[file], model.nodes[file].links > 0 else { return nil }
        var change = AttributeChange()
        change.size = Int64(size)
        let wanted = change
        let reply: AttributeReply
        switch request({ (files, _) throws(Errno) in
          try files.setAttributes(wanted, of: number, caller: rootCaller)
        }) {
        case .success(let answer): reply = answer
        case .failure(let error): return mayRefuse(error) ? nil : "\(error)"
        }
        model.truncate(file, to: size)
        if reply.attributes.size != Int64(size) { return "size \(reply.attributes.size)" }
      case .takeOver:
        // Files without a name go with their worker until the mounter holds their descriptors.
        for (file, handle) in handles where model.nodes[file].links == 0 {
          files.release(numbers[file] ?? 0, handle: handle)
        }
        handles.removeAll { model.nodes[$0.file].links == 0 }
        try volume.restart()
      default: break
      }
      return nil
    } catch { return "\(error)" }
  }

  private func mayBeStale(_ file: Int, _ error: Errno) -> Bool {
    dialect != .posix && model.nodes[file].links == 0 && error == .staleNFSFileHandle
  }

  private func mayRefuse(_ error: Errno) -> Bool { dialect == .objectsInParts && error == .notSupported }

  /// What was written to a file and no version has goes with its name.
  private func mayBeOld(_ file: Int) -> Bool { dialect != .posix && model.nodes[file].links == 0 }

  /// Closes and forgets everything, and looks whether anything is left.
  private mutating func finish() throws -> String? {
    for (file, handle) in handles { volume.files.release(numbers[file] ?? 0, handle: handle) }
    for (node, count) in lookups { volume.files.forget(numbers[node] ?? 0, count) }
    if let objects = volume as? ObjectReferenceVolume, let difference = try objects.difference(from: model) {
      return difference
    }
    // A lookup that a worker counted and did not answer keeps its node.
    let left = mortality == nil ? volume.files.descriptorCount : 0
    return left == 0 ? nil : "\(left) descriptors are left"
  }

  /// Leaves out whatever is not needed for a difference.
  static func shrink(
    _ operations: [Operation], _ dialect: Dialect = .posix, mortality: UInt64? = nil, on volume: () throws -> any Mortal
  ) throws -> [Operation] {
    var shortest = operations
    var size = max(1, operations.count / 2)
    while size >= 1 {
      var start = 0
      while start < shortest.count {
        var shorter = shortest
        shorter.removeSubrange(start..<min(start + size, shorter.count))
        if try run(shorter, dialect, mortality: mortality, on: volume) != nil {
          shortest = shorter
        } else {
          start += size
        }
      }
      size /= 2
    }
    return shortest
  }
}
