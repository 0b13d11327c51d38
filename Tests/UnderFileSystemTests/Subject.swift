import Glibc
import LinuxSystem
import ServedBuckets
import SystemPackage
import TestSupport
import Testing
import UnderFileSystem

/// An implementation under test, fresh for each test.
enum Subject: String, CaseIterable, Sendable, CustomTestStringConvertible {
  case local = "Local"
  case localWithoutHandles = "Local without handles"
  case localOnTmpfs = "Local on tmpfs"
  case inMemory = "InMemory"
  case behindFaults = "InMemory behind a wrapper that injects nothing"
  case objects = "Objects"
  case objectsWithoutConditions = "Objects in a store that ignores conditions"
  case moto = "S3 (moto)"
  case rclone = "S3 (rclone serve s3)"
  case motoBehindFaults = "S3 (moto) behind the fault proxy"
  case rcloneBehindFaults = "S3 (rclone serve s3) behind the fault proxy"

  var testDescription: String { rawValue }

  /// What object stores do not have. All else has everything.
  enum Capability: CaseIterable {
    case links, symlinks, specialFiles, extendedAttributes, owners, allocation, exchange
    /// Link counts of directories, numbers that a rename keeps, fingerprints that are never used again.
    case inodes
    /// Content of a removed file for those who have it open.
    case namelessFiles
    /// mkdir(2). rclone makes a file of the marker of a directory.
    case directories
  }

  var capabilities: Set<Capability> {
    if !isObjects { return Set(Capability.allCases) }
    return service == .rclone ? [] : [.directories]
  }
  var hasIdentities: Bool { self != .localWithoutHandles && !isObjects }
  /// How many files a test makes that wants many.
  var many: Int { service == nil ? 300 : 45 }

  private var isObjects: Bool { self == .objects || self == .objectsWithoutConditions || service != nil }

  /// The server that the subject needs.
  private var service: ServedBucket.Service? {
    switch self {
    case .moto, .motoBehindFaults: .moto
    case .rclone, .rcloneBehindFaults: .rclone
    default: nil
    }
  }

  /// One of each sort that can be made.
  var objects: [NewObject] {
    [.file(mode: 0o644)] + (capabilities.contains(.directories) ? [.directory(mode: 0o755)] : [])
      + (capabilities.contains(.symlinks) ? [.symlink(target: [0x61])] : [])
  }

  static func all(with capabilities: Capability...) -> [Subject] {
    allCases.filter { $0.capabilities.isSuperset(of: capabilities) }
  }

  /// Runs `body` on the root of an empty UFS.
  func run(_ body: (any UnderFileSystem) throws -> Void) throws {
    switch self {
    case .inMemory: try body(InMemoryFileSystem())
    case .behindFaults: try body(FaultyFileSystem(InMemoryFileSystem()) { _ in nil })
    case .objects, .objectsWithoutConditions:
      var manners = InMemoryBucket.Manners()
      manners.ignoresConditions = self == .objectsWithoutConditions
      let volume = try ObjectVolume(InMemoryBucket(manners), spools: SpoolLimits())
      try body(volume.ufs)
      withExtendedLifetime(volume) {}
    case .moto, .rclone, .motoBehindFaults, .rcloneBehindFaults:
      let isFaulty = self == .motoBehindFaults || self == .rcloneBehindFaults
      let faults = isFaulty ? FaultSchedule.faults(seed: Self.seed) : nil
      let volume = try ServedVolume(service ?? .moto, behind: faults)
      try body(volume.ufs)
      #expect(volume.log.failed == [], "what a client gets over is nobody's business")
    case .local, .localWithoutHandles, .localOnTmpfs:
      let directory = try TemporaryDirectory("ufs", beneath: self == .localOnTmpfs ? "/dev/shm" : nil)
      let root = try Descriptor.open(directory.path, O_RDONLY | O_DIRECTORY)
      try body(try LocalFileSystem(root: root, useHandles: self != .localWithoutHandles))
      withExtendedLifetime(directory) {}
    }
  }
}

extension Subject {
  /// Another one for each test, the same in each run.
  private static var seed: UInt64 {
    (Test.current?.name ?? "").utf8.reduce(5381) { $0 &* 33 &+ UInt64($1) }
  }
}

let root = Caller(uid: 0, gid: 0, pid: 0, umask: 0o022)

extension UnderNode {
  /// Prepares and places.
  @discardableResult
  func make(
    _ object: NewObject, _ name: FileName, caller: Caller = root, token: UInt64 = .random(in: 1 ... .max)
  ) throws(Errno) -> CreatedNode {
    try prepare(object, named: name, token: token, for: Creator(caller: caller)).place()
  }

  func makeDirectory(_ name: FileName) throws(Errno) -> any UnderNode {
    try make(.directory(mode: 0o755), name)
    return try lookup(name).node
  }

  @discardableResult
  func makeFile(_ name: FileName, _ content: String = "") throws(Errno) -> any UnderNode {
    let file = try make(.file(mode: 0o644), name).file
    _ = try file?.write(Array(content.utf8))
    let node = try lookup(name).node
    node.lastWriterClosed()
    return node
  }

  func names(from cookie: UInt64 = 0) throws(Errno) -> [FileName] {
    var names: [FileName] = []
    _ = try list(from: cookie).forEach { (name, _, _, _) throws(Errno) in
      let name = FileName(bytes: (0..<name.count - 1).map { name[$0] })
      if name != ".", name != ".." { names.append(name) }
      return true
    }
    return names
  }

  func content() throws(Errno) -> String { String(decoding: try open(.read, caller: root).read(), as: UTF8.self) }

  /// Not to be called within `#expect` where that stands in a closure: the compiler (6.3) gives a closure in the macro's
  /// argument and the next one beside it one name, and runs the first in place of the second without a word.
  func set(_ body: (inout AttributeChange) -> Void) throws(Errno) -> Attributes {
    var change = AttributeChange()
    body(&change)
    return try setAttributes(change, caller: root)
  }
}

extension OpenFile {
  @discardableResult
  func write(_ bytes: [UInt8], at offset: Int64 = 0) throws(Errno) -> Int {
    try write(bytes.span.bytes, at: offset, durability: .none)
  }

  func read(_ count: Int = 1 << 16, at offset: Int64 = 0) throws(Errno) -> [UInt8] {
    var bytes = [UInt8](repeating: 0xEE, count: count)
    var span = bytes.mutableSpan
    var raw = span.mutableBytes
    let got = try read(into: &raw, at: offset)
    return Array(bytes.prefix(got))
  }
}
