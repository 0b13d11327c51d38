import Glibc
import LinuxSystem
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

  var testDescription: String { rawValue }

  /// Runs `body` on the root of an empty UFS.
  func run(_ body: (any UnderFileSystem) throws -> Void) throws {
    switch self {
    case .inMemory: try body(InMemoryFileSystem())
    case .behindFaults: try body(FaultyFileSystem(InMemoryFileSystem()) { _ in nil })
    case .local, .localWithoutHandles, .localOnTmpfs:
      let directory = try TemporaryDirectory("ufs", beneath: self == .localOnTmpfs ? "/dev/shm" : nil)
      let root = try Descriptor.open(directory.path, O_RDONLY | O_DIRECTORY)
      try body(try LocalFileSystem(root: root, useHandles: self != .localWithoutHandles))
      withExtendedLifetime(directory) {}
    }
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
    return try lookup(name).node
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
