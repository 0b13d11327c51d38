package import LinuxSystem
internal import SystemPackage

/// What is mounted at a target, as the mount table shows it. The mounts themselves are never looked at: they may be dead.
package struct TargetMount: Sendable, Hashable {
  /// The target as mountinfo shows it.
  package let path: String

  package init(path: String) { self.path = path }

  /// File system type of every mount of ours (`alluxio-facts.md`).
  package static let fileSystemType = "fuse.alluxio-fuse"
  /// More mounts at one path than anybody stacks by mistake.
  private static let deepestStack = 256

  package enum Content: Sendable, Hashable {
    case nothing
    /// The mount that is seen there is of our type; the number of its connection tells of which worker.
    case volume(connection: UInt32, readOnly: Bool)
    case foreign(type: String)
  }

  /// Reads the mount table.
  package func content() throws(TargetFault) -> Content { content(in: try readTable()) }

  package func content(in table: MountTable) -> Content {
    guard let top = table.visible(at: path) else { return .nothing }
    guard top.type == Self.fileSystemType else { return .foreign(type: top.type) }
    return .volume(connection: top.minor, readOnly: top.flags.contains(.readOnly))
  }

  /// The connections of the volume mounts at the target, hidden ones included, the topmost last.
  package func connections() throws(TargetFault) -> [UInt32] {
    let table = try readTable()
    let top = table.visible(at: path)
    let volumes = table.all(at: path).filter { $0.type == Self.fileSystemType }
    return volumes.filter { $0.id != top?.id }.map(\.minor) + volumes.filter { $0.id == top?.id }.map(\.minor)
  }

  /// How a target shows a worker's file system.
  package struct Bind: Sendable, Hashable {
    /// The worker's mount point.
    package var source: String
    /// Number of its connection, by which the mount is recognised.
    package var connection: UInt32
    package var readOnly: Bool
    package var noExec: Bool

    package init(source: String, connection: UInt32, readOnly: Bool = false, noExec: Bool = false) {
      self.source = source
      self.connection = connection
      self.readOnly = readOnly
      self.noExec = noExec
    }

    /// `nosuid,nodev` always: setuid programs and device nodes of a volume have no force.
    var flags: LinuxSystem.MountFlags {
      var flags = LinuxSystem.MountFlags.volume
      if readOnly { flags.insert(.readOnly) }
      if noExec { flags.insert(.noExecute) }
      return flags
    }
  }

  /// Shows the volume on `directory`, which is the target, with its flags in force from the first moment. Checks in the
  /// mount table that it is there.
  /// - Parameter guarded: the directory is shut; otherwise a mount that is missing would let pods write to the node's disk.
  /// - Returns: whether it shares what is mounted on it with its own copies only, see `Mount.bind`.
  @discardableResult
  package func bind(_ bind: Bind, on directory: borrowing Descriptor, guarded: Bool) throws(TargetFault) -> Bool {
    let hasOwnGroup: Bool
    do throws(Errno) { hasOwnGroup = try Mount.bind(from: bind.source, to: directory, flags: bind.flags) } catch {
      throw .system(error, step: "mount the volume at \(path)")
    }
    guard case .volume(bind.connection, let readOnly) = try content(), readOnly || !bind.readOnly else {
      throw .notMountedAfterBind(path: path, guarded: guarded)
    }
    return hasOwnGroup
  }

  /// What to do with a mount that is neither ours nor dead.
  package enum Foreign: Sendable { case refuse, leave }

  /// Takes away what an earlier publish without a record left at the target: a mount of a worker of this node, known by
  /// its source below `volumes`, or one whose process is gone.
  package func removeLeftover(volumes: String, orElse foreign: Foreign) throws(TargetFault) {
    switch try content() {
    case .nothing: return
    case .volume(let connection, _):
      if try isOurs(connection, volumes: volumes) || DeadMount.isDead(path) {
        _ = try unmountAll()
      } else if foreign == .refuse {
        throw .foreignMount(path: path, type: Self.fileSystemType)
      }
    case .foreign(let type):
      if foreign == .refuse { throw .foreignMount(path: path, type: type) }
    }
  }

  /// Takes every mount at the target away, the topmost first, whoever made it: a target that the kubelet gives up must not
  /// keep any.
  ///
  /// Each one is unmounted when idle and detached when in use: only this target loses it, other targets of the same worker
  /// go on.
  /// - Returns: who used a mount that had to be detached, for the log.
  package func unmountAll() throws(TargetFault) -> [ProcessReference] {
    var users: [ProcessReference] = []
    for _ in 0..<Self.deepestStack {
      let table = try readTable()
      if table.all(at: path).isEmpty { return users }
      guard let top = table.visible(at: path) else { throw .hidden(path: path) }
      users += try unmount(top)
    }
    throw .unmountFailed(path: path, .resourceBusy, holders: [])
  }

  private func unmount(_ top: MountEntry) throws(TargetFault) -> [ProcessReference] {
    do throws(Errno) {
      try Mount.unmount(path, flags: [.noFollow])
      return []
    } catch .resourceBusy {
      return try detach(top)
    } catch .invalidArgument {
      return []  // Somebody else was faster; the next look at the table tells.
    } catch {
      throw .unmountFailed(path: path, error, holders: holders(of: top))
    }
  }

  private func detach(_ top: MountEntry) throws(TargetFault) -> [ProcessReference] {
    let users = holders(of: top)
    do throws(Errno) { try Mount.unmount(path, flags: [.detach, .noFollow]) } catch {
      throw .unmountFailed(path: path, error, holders: users)
    }
    return users
  }

  private func holders(of entry: MountEntry) -> [ProcessReference] {
    (try? MountHolders.find(entry)) ?? []
  }

  /// Whether a worker of this node, which mounts below `volumes`, has this connection.
  private func isOurs(_ connection: UInt32, volumes: String) throws(TargetFault) -> Bool {
    try readTable(along: nil).beneath(volumes).contains { $0.type == Self.fileSystemType && $0.minor == connection }
  }

  func readTable() throws(TargetFault) -> MountTable { try readTable(along: path) }

  private func readTable(along path: String?) throws(TargetFault) -> MountTable {
    do throws(Errno) { return try MountTable.read(along: path) } catch {
      throw .system(error, step: "read the mount table")
    }
  }
}
