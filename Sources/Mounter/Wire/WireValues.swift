internal import CProtobufC
internal import LinuxSystem
internal import MounterProtocol
internal import ProtobufC
internal import SystemPackage
internal import VolumeModel

// SAFETY of this folder: every `unsafe` names a field of a generated C structure to MessageView or MessageBuilder. They own
// the memory that the field points to and copy what they read and what they are given, so that no pointer leaves them.

/// Why a well-formed message is still none of ours.
struct MissingField: Error, Hashable, CustomStringConvertible {
  /// As in `mount.key`.
  var name: String
  var description: String { "the field \(name) is missing or has a value that it may not have" }
}

/// Between the packets of `Protos/mounter.proto` and Swift values.
enum Wire {}

/// protobuf-c ends a string at a NUL: none may be in what is sent. A path or key that had one then names nothing.
func withoutNul(_ value: String) -> String {
  value.utf8.contains(0) ? String(decoding: value.utf8.map { $0 == 0 ? 0x3F : $0 }, as: UTF8.self) : value
}

// MARK: Keys

extension WorkerKey {
  init(wire: borrowing MessageView<Mounter__V1__Key>) throws(MissingField) {
    let volumeID = unsafe wire.volume_id
    if volumeID.isEmpty { throw MissingField(name: "key.volume_id") }
    self.init(volumeID: volumeID)
    if let group = unsafe wire.mount_group { mountGroup = unsafe group.value }
    if let identity = unsafe wire.credential_identity { credentialIdentity = unsafe identity.value }
  }

  func fill(_ wire: MessageBuilder<Mounter__V1__Key>) {
    unsafe wire.volume_id = withoutNul(volumeID)
    if let mountGroup {
      unsafe wire.make(\.mount_group, mounter__v1__string_value__init).value = withoutNul(mountGroup)
    }
    if let credentialIdentity {
      unsafe wire.make(\.credential_identity, mounter__v1__string_value__init).value = withoutNul(credentialIdentity)
    }
  }
}

extension Wire {
  /// A key that must be there.
  static func key(_ wire: consuming MessageView<Mounter__V1__Key>?) throws(MissingField) -> WorkerKey {
    guard let wire = unsafe wire else { throw MissingField(name: "key") }
    return unsafe try WorkerKey(wire: wire)
  }
}

// MARK: Requests

extension WorkerOptions {
  init(wire: borrowing MessageView<Mounter__V1__Options>) {
    self.init()
    readOnly = unsafe wire.flag(\.read_only)
    attributeTimeoutMilliseconds = unsafe wire.attribute_timeout_ms
    entryTimeoutMilliseconds = unsafe wire.entry_timeout_ms
    readAheadBytes = unsafe wire.read_ahead_bytes
    passthrough = unsafe !wire.flag(\.without_passthrough)
    if let value = unsafe wire.uid { uid = unsafe value.value }
    if let value = unsafe wire.gid { gid = unsafe value.value }
    if let value = unsafe wire.umask { umask = unsafe value.value }
    if let value = unsafe wire.mount_group { mountGroup = unsafe value.value }
    if let value = unsafe wire.memory_limit_bytes { memoryLimitBytes = unsafe value.value }
    if let value = unsafe wire.capacity_bytes { capacityBytes = unsafe value.value }
  }

  func fill(_ wire: MessageBuilder<Mounter__V1__Options>) {
    unsafe wire.setFlag(\.read_only, readOnly)
    unsafe wire.attribute_timeout_ms = attributeTimeoutMilliseconds
    unsafe wire.entry_timeout_ms = entryTimeoutMilliseconds
    unsafe wire.read_ahead_bytes = readAheadBytes
    unsafe wire.setFlag(\.without_passthrough, !passthrough)
    if let uid { unsafe wire.make(\.uid, mounter__v1__uint32_value__init).value = uid }
    if let gid { unsafe wire.make(\.gid, mounter__v1__uint32_value__init).value = gid }
    if let umask { unsafe wire.make(\.umask, mounter__v1__uint32_value__init).value = umask }
    if let mountGroup { unsafe wire.make(\.mount_group, mounter__v1__uint32_value__init).value = mountGroup }
    if let memoryLimitBytes {
      unsafe wire.make(\.memory_limit_bytes, mounter__v1__uint64_value__init).value = memoryLimitBytes
    }
    if let capacityBytes { unsafe wire.make(\.capacity_bytes, mounter__v1__uint64_value__init).value = capacityBytes }
  }
}

extension Wire {
  /// Options that must be there.
  static func options(_ wire: consuming MessageView<Mounter__V1__Options>?) throws(MissingField) -> WorkerOptions {
    guard let wire = unsafe wire else { throw MissingField(name: "options") }
    return unsafe WorkerOptions(wire: wire)
  }
}

extension MountRequest {
  init(wire: borrowing MessageView<Mounter__V1__Mount>) throws(MissingField) {
    guard let files = unsafe wire.under_file_system else { throw MissingField(name: "mount.under_file_system") }
    guard let scheme = UnderFileSystemURI.Scheme(rawValue: unsafe files.scheme) else {
      throw MissingField(name: "mount.under_file_system.scheme")
    }
    let mountPoint = unsafe wire.mount_point
    guard mountPoint.hasPrefix("/") else { throw MissingField(name: "mount.mount_point") }
    unsafe self.init(
      key: try Wire.key(unsafe wire.key),
      underFileSystem: UnderFileSystemURI(
        scheme: scheme, authority: unsafe files.authority, path: unsafe files.path),
      mountPoint: mountPoint, fileRoots: unsafe wire.strings(\.n_file_roots, \.file_roots),
      options: try Wire.options(unsafe wire.options))
    if let store = unsafe wire.object_store { objectStore = unsafe try ObjectStoreRequest(wire: store) }
  }

  func fill(_ wire: MessageBuilder<Mounter__V1__Mount>) {
    unsafe key.fill(wire.make(\.key, mounter__v1__key__init))
    let files = unsafe wire.make(\.under_file_system, mounter__v1__under_file_system__init)
    unsafe files.scheme = underFileSystem.scheme.rawValue
    unsafe files.authority = withoutNul(underFileSystem.authority)
    unsafe files.path = withoutNul(underFileSystem.path)
    unsafe wire.mount_point = withoutNul(mountPoint)
    unsafe wire.setStrings(\.n_file_roots, \.file_roots, fileRoots.map(withoutNul))
    unsafe options.fill(wire.make(\.options, mounter__v1__options__init))
    if let objectStore { unsafe objectStore.fill(wire.make(\.object_store, mounter__v1__object_store__init)) }
  }
}

extension Wire {
  /// A request that must be there.
  static func mount(_ wire: consuming MessageView<Mounter__V1__Mount>?) throws(MissingField) -> MountRequest {
    guard let wire = unsafe wire else { throw MissingField(name: "mount") }
    return unsafe try MountRequest(wire: wire)
  }
}

// MARK: Roles

extension Wire {
  /// What the wire says of the descriptors beside a packet; nil for a role of a newer version.
  static func roles(_ numbers: [UInt32]) -> [DescriptorRole?] {
    numbers.map { DescriptorRole(rawValue: $0) }
  }
}

extension Wire {
  /// The numbers of known roles.
  static func wireRoles(_ roles: [DescriptorRole?]) -> [UInt32] {
    roles.map { $0?.rawValue ?? 0 }
  }
}
