import Synchronization
import SystemPackage
import UnderFileSystem
import VolumeModel

/// How the volume's options change what is shown and who owns what is created.
final class Presentation: Sendable {
  private let uid: UInt32?
  private let gid: UInt32?
  private let umask: UInt32?
  private let mountGroup: UInt32?
  private let readOnly = Atomic(false)
  private let entryTimeoutNanoseconds = Atomic<UInt64>(0)
  private let attributeTimeoutNanoseconds = Atomic<UInt64>(0)
  /// 0: none.
  private let capacity = Atomic<UInt64>(0)

  init(_ options: WorkerOptions) {
    uid = options.uid
    mountGroup = options.mountGroup
    gid = options.mountGroup ?? options.gid
    umask = options.umask
    update(options)
  }

  /// Takes over what may change while mounted. Owners and masks stay: the kernel would not notice.
  func update(_ options: WorkerOptions) {
    readOnly.store(options.readOnly, ordering: .relaxed)
    entryTimeoutNanoseconds.store(UInt64(options.entryTimeoutMilliseconds) * 1_000_000, ordering: .relaxed)
    attributeTimeoutNanoseconds.store(UInt64(options.attributeTimeoutMilliseconds) * 1_000_000, ordering: .relaxed)
    capacity.store(options.capacityBytes ?? 0, ordering: .relaxed)
  }

  var entryTimeout: UInt64 { entryTimeoutNanoseconds.load(ordering: .relaxed) }
  var attributeTimeout: UInt64 { attributeTimeoutNanoseconds.load(ordering: .relaxed) }

  /// - Throws: EROFS when the volume is read-only.
  func checkWritable() throws(Errno) {
    if readOnly.load(ordering: .relaxed) { throw .readOnlyVolume }
  }

  /// Owners and modes are not the under file system's: ACLs would contradict them and are not shown.
  var hidesACLs: Bool { uid != nil || gid != nil || umask != nil }

  /// The attributes as the volume shows them.
  func shown(_ attributes: Attributes) -> Attributes {
    guard hidesACLs else { return attributes }
    var shown = attributes
    if let uid { shown.uid = uid }
    if let gid { shown.gid = gid }
    guard attributes.type != FileType.symlink else { return shown }
    // The mount's group may do what the owner may.
    if mountGroup != nil { shown.mode |= (shown.mode & 0o700) >> 3 }
    if let umask { shown.mode &= ~(umask & 0o777) }
    return shown
  }

  /// Who owns what `caller` creates.
  func creator(_ caller: Caller) -> Creator { Creator(caller: caller, uid: uid, gid: gid) }

  /// The change as the under file system gets it.
  /// - Throws: EPERM for a change of an owner that the volume's options fix.
  func stored(_ change: AttributeChange) throws(Errno) -> AttributeChange {
    var stored = change
    if let uid, let wanted = change.uid {
      guard wanted == uid else { throw .fixedOwner }
      stored.uid = nil
    }
    if let gid, let wanted = change.gid {
      guard wanted == gid else { throw .fixedOwner }
      stored.gid = nil
    }
    return stored
  }

  /// Size and free space, no more than the volume's capacity.
  func shown(_ statistics: FileSystemStatistics) -> FileSystemStatistics {
    let limit = capacity.load(ordering: .relaxed)
    guard limit > 0, statistics.fragmentSize > 0 else { return statistics }
    var shown = statistics
    shown.blocks = min(shown.blocks, limit / statistics.fragmentSize)
    shown.freeBlocks = min(shown.freeBlocks, shown.blocks)
    shown.availableBlocks = min(shown.availableBlocks, shown.blocks)
    return shown
  }
}
