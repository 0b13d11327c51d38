internal import FoundationEssentials
internal import LinuxSystem
internal import Logging
internal import SystemPackage
internal import VolumeModel

/// The files of a directory registry. Every call blocks on the disk.
///
///     volumes/ID.json               a VolumeRecord
///     publications/HASH/HASH.json   a node's use of a volume, by hashes of the volume's and the node's ids
///     damaged/                      what could not be read, set aside for a person
///     lock
///
/// Anything else in there is somebody else's and left alone.
final class RegistryDirectory: Sendable {
  private let path: String
  private let logger: Logger
  private let observer: @Sendable (AtomicFile.Step) -> Void
  private let mutex: FileMutex

  private var volumes: String { "\(path)/volumes" }
  private var publications: String { "\(path)/publications" }
  private var damaged: String { "\(path)/damaged" }
  /// Larger than any record: the specification limits what a record is made of to a few KiB.
  private static let longestFile = 1 << 20

  init(path: String, logger: Logger, observer: @escaping @Sendable (AtomicFile.Step) -> Void) throws(RegistryError) {
    self.path = path
    self.logger = logger
    self.observer = observer
    do throws(Errno) {
      for folder in [path, "\(path)/volumes", "\(path)/publications", "\(path)/damaged"] { try Folder.make(folder) }
      mutex = try FileMutex(path: "\(path)/lock")
    } catch {
      throw .unavailable(step: "open the registry \(path)", cause: error.description)
    }
    // What a crash cut off. Only while nobody writes: another process may be in the middle.
    try alone { () throws(RegistryError) in
      try attempt("clean \(volumes)") { () throws(Errno) in try AtomicFile.removeLeftovers(in: volumes) }
    }
  }

  /// Runs `body` while no other thread or process changes the registry.
  func alone<Value>(_ body: () throws(RegistryError) -> Value) throws(RegistryError) -> Value {
    try mutex.withLock(body) { .unavailable(step: "lock the registry \(path)", cause: $0.description) }
  }

  /// Readable and writable, which the lock file stands for: it lives in the same folder.
  func check() throws(RegistryError) {
    try attempt("list \(volumes)") { () throws(Errno) in _ = try DirectoryNames.list(volumes) }
    try attempt("write to \(path)") { () throws(Errno) in
      guard try Folder.isWritable(volumes) else { throw Errno.permissionDenied }
    }
  }

  // MARK: Volumes

  /// Ids whose files are there, ascending; foreign files are passed over.
  func ids(after id: String?) throws(RegistryError) -> [String] {
    let names = try attempt("list \(volumes)") { () throws(Errno) in try DirectoryNames.list(volumes) }
    let ids = names.compactMap { name -> String? in
      guard name.hasSuffix(".json") else { return nil }
      let stem = String(name.dropLast(5))
      return VolumeID.isOwn(stem) ? stem : nil
    }
    guard let id else { return ids.sorted() }
    return ids.filter { $0 > id }.sorted()
  }

  func record(id: String) throws(RegistryError) -> VolumeRecord? {
    // An id that this registry never made, such as a static volume's, has no file here and must not become a path.
    guard VolumeID.isOwn(id) else { return nil }
    let file = "\(volumes)/\(id).json"
    guard let record: VolumeRecord = try read(file) else { return nil }
    guard record.id == id else {
      setAside(file, because: "it is the record of another volume")
      return nil
    }
    return record
  }

  func write(_ record: VolumeRecord) throws(RegistryError) { try write(record, to: "\(volumes)/\(record.id).json") }

  func remove(id: String) throws(RegistryError) {
    guard VolumeID.isOwn(id) else { return }
    try removeFile("\(volumes)/\(id).json")
  }

  // MARK: Publications

  /// The form of a publication's file: hashes cannot be turned back.
  private struct PublicationFile: Codable {
    var version = 1
    var volumeID: String
    var publication: NodePublication
  }

  private func folder(of volumeID: String) -> String { "\(publications)/\(Digest.sha256Hex(volumeID).prefix(32))" }

  private func file(of volumeID: String, on nodeID: String) -> String {
    "\(folder(of: volumeID))/\(Digest.sha256Hex(nodeID).prefix(32)).json"
  }

  func publications(of volumeID: String) throws(RegistryError) -> [NodePublication] {
    let folder = folder(of: volumeID)
    let names: [String]
    do throws(Errno) {
      names = try DirectoryNames.list(folder)
    } catch .noSuchFileOrDirectory {
      return []
    } catch {
      throw .unavailable(step: "list \(folder)", cause: error.description)
    }
    var found: [NodePublication] = []
    for name in names where NodePaths.isRecordName(name) {
      if let file: PublicationFile = try read("\(folder)/\(name)") { found.append(file.publication) }
    }
    return found.sorted { ByteKey($0.nodeID) < ByteKey($1.nodeID) }
  }

  func write(_ publication: NodePublication, of volumeID: String) throws(RegistryError) {
    let folder = folder(of: volumeID)
    try attempt("create \(folder)") { () throws(Errno) in try Folder.make(folder) }
    try write(
      PublicationFile(volumeID: volumeID, publication: publication), to: file(of: volumeID, on: publication.nodeID))
  }

  func removePublication(of volumeID: String, from nodeID: String) throws(RegistryError) {
    do throws(Errno) {
      try AtomicFile.remove(file(of: volumeID, on: nodeID))
      // Full of other nodes' publications as a rule; empty folders would pile up.
      try? Folder.removeEmpty(folder(of: volumeID))
    } catch .noSuchFileOrDirectory {
      return
    } catch {
      throw .unavailable(step: "forget a publication", cause: error.description)
    }
  }

  // MARK: Files

  /// Nil when there is none, or when it was damaged and has been set aside.
  private func read<Content: Decodable & Sendable>(_ file: String) throws(RegistryError) -> Content? {
    let bytes: [UInt8]
    do throws(Errno) {
      bytes = try WholeFile.read(file, limit: Self.longestFile)
    } catch .noSuchFileOrDirectory {
      return nil
    } catch {
      throw .unavailable(step: "read \(file)", cause: error.description)
    }
    if let version = try? JSONDecoder().decode(Versioned.self, from: Data(bytes)).version,
      version > VolumeRecord.currentVersion
    {
      throw .unavailable(
        step: "read \(file)",
        cause: "it has version \(version), this program reads \(VolumeRecord.currentVersion): use a newer one")
    }
    do {
      return try JSONDecoder().decode(Content.self, from: Data(bytes))
    } catch {
      setAside(file, because: "it cannot be decoded")
      return nil
    }
  }

  private struct Versioned: Decodable { var version: Int }

  /// Moves what cannot be read out of the way, so that one broken file stops nothing else.
  private func setAside(_ file: String, because reason: String) {
    let name = file.split(separator: "/").suffix(2).joined(separator: "-")
    let place = "\(damaged)/\(name).\(String(UInt32.random(in: 0...UInt32.max), radix: 16))"
    do throws(Errno) {
      try Folder.move(file, to: place)
      logger.error(
        "a registry file is damaged and was set aside",
        metadata: ["file": "\(file)", "now": "\(place)", "reason": "\(reason)"])
    } catch {
      logger.error(
        "a registry file is damaged", metadata: ["file": "\(file)", "reason": "\(reason)", "move": "\(error)"])
    }
  }

  private func write<Content: Encodable>(_ content: Content, to file: String) throws(RegistryError) {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    let bytes: [UInt8]
    do {
      bytes = Array(try encoder.encode(content)) + [UInt8(ascii: "\n")]
    } catch {
      throw .unavailable(step: "encode \(file)", cause: "\(error)")
    }
    try attempt("write \(file)") { () throws(Errno) in try AtomicFile.write(bytes, to: file, observer: observer) }
  }

  private func removeFile(_ file: String) throws(RegistryError) {
    try attempt("remove \(file)") { () throws(Errno) in _ = try AtomicFile.remove(file) }
  }

  private func attempt<Value>(_ step: String, _ body: () throws(Errno) -> Value) throws(RegistryError) -> Value {
    do throws(Errno) { return try body() } catch { throw .unavailable(step: step, cause: error.description) }
  }
}
