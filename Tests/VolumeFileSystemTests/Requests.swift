import Glibc
import Synchronization
import SystemPackage
import UnderFileSystem
import VolumeFileSystem

/// Numbers of requests, as a kernel gives them out.
enum Requests {
  private static let last = Atomic<UInt64>(0)

  static func next() -> RequestID { RequestID(unique: last.add(2, ordering: .relaxed).newValue) }

  /// The same request, sent to the next worker.
  static func resent(_ number: UInt64) -> RequestID { RequestID(unique: number | 1 << 63) }

  static func nextNumber() -> UInt64 { last.add(2, ordering: .relaxed).newValue }
}

/// Operations of requests that are answered at once.
extension VolumeFileSystem {
  private func answering<R>(_ body: (RequestID) throws(Errno) -> R) throws(Errno) -> R {
    let request = Requests.next()
    defer { answered(request) }
    return try body(request)
  }

  func makeNode(
    _ name: FileName, in parent: NodeID, mode: UInt32, device: UInt64, caller: Caller
  ) throws(Errno) -> Entry {
    try answering { (request) throws(Errno) in
      try makeNode(name, in: parent, mode: mode, device: device, caller: caller, request: request)
    }
  }

  @discardableResult
  func makeDirectory(_ name: FileName, in parent: NodeID, mode: UInt32, caller: Caller) throws(Errno) -> Entry {
    try answering { (request) throws(Errno) in
      try makeDirectory(name, in: parent, mode: mode, caller: caller, request: request)
    }
  }

  func makeSymlink(_ name: FileName, in parent: NodeID, target: [UInt8], caller: Caller) throws(Errno) -> Entry {
    try answering { (request) throws(Errno) in
      try makeSymlink(name, in: parent, target: target, caller: caller, request: request)
    }
  }

  func link(_ node: NodeID, as name: FileName, in parent: NodeID, caller: Caller) throws(Errno) -> Entry {
    try answering { (request) throws(Errno) in
      try link(node, as: name, in: parent, caller: caller, request: request)
    }
  }

  func create(
    _ name: FileName, in parent: NodeID, mode: UInt32, flags: Int32, caller: Caller
  ) throws(Errno) -> (entry: Entry, open: OpenReply) {
    try answering { (request) throws(Errno) in
      try create(name, in: parent, mode: mode, flags: flags, caller: caller, request: request)
    }
  }

  func unlink(_ name: FileName, in parent: NodeID, caller: Caller) throws(Errno) {
    try answering { (request) throws(Errno) in
      try unlink(name, in: parent, caller: caller, request: request)
    }
  }

  func removeDirectory(_ name: FileName, in parent: NodeID, caller: Caller) throws(Errno) {
    try answering { (request) throws(Errno) in
      try removeDirectory(name, in: parent, caller: caller, request: request)
    }
  }

  func rename(
    _ name: FileName, in parent: NodeID, to newName: FileName, in newParent: NodeID, flags: RenameFlags, caller: Caller
  ) throws(Errno) {
    try answering { (request) throws(Errno) in
      try rename(name, in: parent, to: newName, in: newParent, flags: flags, caller: caller, request: request)
    }
  }

  func setExtendedAttribute(
    _ name: FileName, of node: NodeID, to value: [UInt8], flags: ExtendedAttributeFlags, caller: Caller
  ) throws(Errno) {
    try answering { (request) throws(Errno) in
      try setExtendedAttribute(name, of: node, to: value, flags: flags, caller: caller, request: request)
    }
  }

  func removeExtendedAttribute(_ name: FileName, of node: NodeID, caller: Caller) throws(Errno) {
    try answering { (request) throws(Errno) in
      try removeExtendedAttribute(name, of: node, caller: caller, request: request)
    }
  }
}
