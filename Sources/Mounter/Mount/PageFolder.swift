internal import Glibc
internal import LinuxSystem
internal import SystemPackage
internal import VolumeModel

/// The folder of one worker key in the node's page store, with `pages` and `spools` in it. Its owner is a user that no other
/// folder there has, and who the key's workers run as: the folder itself is the record of that, so that it holds as long as
/// the pages do. It stays when the volume is unmounted.
///
/// The store is the mounter's alone (0700), and each name in it a directory made here. No step follows a symbolic link. What is not as
/// it was made is refused, except where nothing but an interrupted start can have made it so.
///
/// A folder that workers of several volumes share is made alike, for a user that nobody runs as: the workers join its group,
/// and get only the `pages` in it.
struct PageFolder {
  /// The users, and groups of the same numbers, that folders may belong to.
  let users: Range<UInt32>
  /// Absolute.
  let store: String
  let name: String

  private static let pages = "pages"
  private let parts: [String]
  /// Of each part.
  private let mode: UInt32
  /// Whether it is `pages` that is given away, and not the folder.
  private let isShared: Bool

  /// One at a time, in one mounter by the lock and among several by the store's lock file.
  private static let lockFile = ".lock"

  init(of key: WorkerKey, in store: String, users: Range<UInt32>) {
    (self.users, self.store, name) = (users, store, key.name)
    (parts, mode, isShared) = ([Self.pages, "spools"], 0o700, false)
  }

  /// The pages that several volumes share.
  init(of shared: SharedPages, in store: String, users: Range<UInt32>) {
    (self.users, self.store, name) = (users, store, shared.name)
    // What is made in it gets its group.
    (parts, mode, isShared) = ([Self.pages], 0o2770, true)
  }

  /// Opens the folder, or the pages of a shared one, and makes it where it is absent.
  func open() throws(MounterError) -> SharedDescriptor {
    let place = "the page store \(store)"
    do throws(Errno) { try Folder.makeAll(store) } catch { throw .system(error, step: "making \(place)") }
    let root = try failing("opening \(place)") { () throws(Errno) in
      try Descriptor.open(store, O_RDONLY | O_DIRECTORY)
    }
    let status = try failing("looking at \(place)") { () throws(Errno) in try root.status() }
    guard status.uid == ProcessUser.effective, status.mode & 0o022 == 0 else {
      throw refusal(.notPermitted, "using \(place), which others may write to: give the driver a folder of its own")
    }
    let mutex = try failing("locking \(place)") { () throws(Errno) in
      try FileMutex(path: "\(store)/\(Self.lockFile)")
    }
    return try mutex.withLock { () throws(MounterError) in
      try prepared(in: root)
    } onLockFailure: { (error: Errno) in
      .system(error, step: "locking \(place)")
    }
  }

  private var step: String { "making the page folder \(store)/\(name)" }

  private func refusal(_ error: Errno, _ step: String) -> MounterError { .system(error, step: step) }

  private func prepared(in root: borrowing Descriptor) throws(MounterError) -> SharedDescriptor {
    let folder = try openOrMake(name, in: root)
    let taken = try others(in: root)
    var status = try failing(step) { () throws(Errno) in try folder.status() }
    if status.uid == ProcessUser.effective {
      // Nobody else has written here yet: what is in it, an interrupted start has made.
      try checkUnfinished(folder)
      let user = try freeUser(besides: taken)
      for part in parts { try makePart(part, in: folder, of: user, former: users) }
      // Last: from here on the folder is the user's.
      try failing(step) { () throws(Errno) in
        try folder.changeMode(0o700)
        try folder.changeOwner(uid: user, gid: user)
      }
      status = try failing(step) { () throws(Errno) in try folder.status() }
    }
    guard users.contains(status.uid), status.gid == status.uid else {
      throw refusal(
        .notPermitted, "using \(store)/\(name), which belongs to user \(status.uid), no worker's: remove it")
    }
    if let other = taken[status.uid] {
      throw refusal(
        .notPermitted, "using \(store)/\(name), which belongs to the user of \(other) as well: remove one of both")
    }
    if status.mode & 0o7777 != 0o700 {
      try failing(step) { () throws(Errno) in try folder.changeMode(0o700) }
    }
    for part in parts { try makePart(part, in: folder, of: status.uid) }
    guard isShared else { return SharedDescriptor(folder) }
    return SharedDescriptor(try openOrMake(Self.pages, in: folder))
  }

  /// A directory that is there or made now; anything else that has the name is refused.
  private func openOrMake(_ name: String, in folder: borrowing Descriptor) throws(MounterError) -> Descriptor {
    let (flags, path) = (O_RDONLY | O_DIRECTORY | O_NOFOLLOW, "\(store)/\(name)")
    do throws(Errno) {
      do throws(Errno) { return try folder.open(at: name, flags) } catch {
        guard error == .noSuchFileOrDirectory else { throw error }
        try folder.makeDirectory(name, mode: 0o700)
        return try folder.open(at: name, flags)
      }
    } catch .tooManySymbolicLinkLevels {
      throw refusal(.notDirectory, "using \(path), a symbolic link: remove it")
    } catch .notDirectory {
      throw refusal(.notDirectory, "using \(path): remove it")
    } catch {
      throw refusal(error, "making \(path)")
    }
  }

  /// One of the two directories. The folder may be the user's already: who runs as that user harms only himself.
  /// - Parameter former: an interrupted start may have given it to one of them.
  private func makePart(
    _ part: String, in folder: borrowing Descriptor, of user: UInt32, former: Range<UInt32> = 0..<0
  ) throws(MounterError) {
    let path = "\(store)/\(name)/\(part)"
    do throws(Errno) {
      do throws(Errno) { try folder.makeDirectory(part, mode: 0o700) } catch {
        guard error == .fileExists else { throw error }
      }
      let directory = try folder.open(at: part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
      let status = try directory.status()
      if status.uid != user {
        guard status.uid == ProcessUser.effective || former.contains(status.uid) else { throw Errno.notPermitted }
        try directory.changeOwner(uid: user, gid: user)
      }
      // Last, since a change of the owner takes the bit for the group off.
      if isShared, status.uid != user || status.mode & 0o7777 != mode { try directory.changeMode(mode) }
    } catch .notPermitted {
      throw refusal(.notPermitted, "using \(path), which belongs to another user: remove \(store)/\(name)")
    } catch {
      throw refusal(error, "making \(path)")
    }
  }

  private func checkUnfinished(_ folder: borrowing Descriptor) throws(MounterError) {
    let names = try failing(step) { () throws(Errno) in try Self.names(in: folder) }
    guard names.allSatisfy(parts.contains) else {
      throw refusal(.notPermitted, "using \(store)/\(name), which no mounter has made: remove it")
    }
  }

  /// The folders beside this one by their owners.
  private func others(in root: borrowing Descriptor) throws(MounterError) -> [UInt32: String] {
    try failing("reading the page store \(store)") { () throws(Errno) in
      var owners: [UInt32: String] = [:]
      for other in try Self.names(in: root) where other != name && other != Self.lockFile {
        guard let status = try? root.status(name: Array(other.utf8) + [0]) else { continue }
        owners[status.uid] = other
      }
      return owners
    }
  }

  private static func names(in folder: borrowing Descriptor) throws(Errno) -> [String] {
    var names: [String] = []
    var reader = try DirectoryReader(try folder.open(at: ".", O_RDONLY | O_DIRECTORY), from: 0)
    _ = try reader.forEach { (name, _, _, _) throws(Errno) in
      names.append(String(decoding: (0..<(name.count - 1)).map { name[$0] }, as: UTF8.self))
      return true
    }
    return names.filter { $0 != "." && $0 != ".." }
  }

  /// The first that nobody has, from one on that the name decides: a folder that was removed and is made again most likely
  /// gets its user again.
  private func freeUser(besides taken: [UInt32: String]) throws(MounterError) -> UInt32 {
    let count = UInt32(users.count)
    let start = name.utf8.reduce(UInt32(2_166_136_261)) { ($0 ^ UInt32($1)) &* 16_777_619 } % count
    for step in 0..<count {
      let user = users.lowerBound + (start + step) % count
      if taken[user] == nil { return user }
    }
    throw refusal(.noSpace, "finding a user for \(store)/\(name): all \(count) of --worker-users have a folder")
  }
}
