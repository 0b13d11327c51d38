package import SystemPackage

/// Every error that a volume answers by itself, by its reason: the one table of them for the worker. All other errors are the
/// under file system's and reach the application as they are (ENOSPC, EDQUOT, EACCES, EROFS of a read-only disk and so on).
/// `InMemory` imitates a kernel's file system, and so throws the kernel's errors by their own names.
extension Errno {
  // MARK: Nodes

  /// ESTALE: the number stands for no node, or its file is gone. The kernel looks the path up again and asks once more.
  package static var staleNode: Errno { .staleNFSFileHandle }
  /// ENFILE: the node table is full. Not ENOSPC, which would be taken for a full disk, nor ENOMEM, which nobody can end.
  package static var tooManyNodes: Errno { .tooManyOpenFilesInSystem }
  /// EOPNOTSUPP: the file system gives no handles by which a node could be found; it is found by parent and name instead.
  package static var noFileHandles: Errno { .notSupported }
  /// ENOENT: a creation in a directory that was removed meanwhile. O_TMPFILE says EPERM there, mkdir(2) and open(2) ENOENT.
  package static var directoryRemoved: Errno { .noSuchFileOrDirectory }
  /// EIO: what was just made cannot be described. Its maker is told that something failed, and finds it by its name.
  package static var madeAndNotSeen: Errno { .ioError }

  // MARK: Names

  /// EINVAL: empty, `.`, `..`, a slash or a NUL inside. The kernel never sends one: it would lead out of its directory.
  package static var malformedName: Errno { .invalidArgument }
  /// ENAMETOOLONG: over 255 bytes, as NAME_MAX says.
  package static var longName: Errno { .fileNameTooLong }
  /// ENOENT: a name that volumes never show is not found.
  package static var hiddenName: Errno { .noSuchFileOrDirectory }
  /// EPERM: a hidden name cannot be made. ENOENT would be taken for an absent directory.
  package static var reservedName: Errno { .notPermitted }
  /// EEXIST: the name was taken between the look and the rename, where the file system has no RENAME_NOREPLACE; and before
  /// a link, about which nobody could tell later whether it was made.
  package static var nameTaken: Errno { .fileExists }
  /// EXDEV: the two names or files belong to different under file systems. mv(1) and cp(1) then copy.
  package static var otherFileSystem: Errno { .improperLink }

  // MARK: Types

  /// ENOTDIR: what a volume is to show is no directory.
  package static var rootIsNoDirectory: Errno { .notDirectory }
  /// EISDIR, ELOOP, ENXIO: what open(2) answers for what is no regular file; opening a device or pipe here could block or
  /// do things, and the kernel opens those itself.
  package static func notRegular(_ type: UInt32) -> Errno {
    switch type {
    case FileType.directory: .isDirectory
    case FileType.symlink: .tooManySymbolicLinkLevels
    default: .noSuchAddressOrDevice
    }
  }
  /// EISDIR, EINVAL: truncate(2) of what has no size to set.
  package static func notTruncatable(_ type: UInt32) -> Errno {
    type == FileType.directory ? .isDirectory : .invalidArgument
  }
  /// EINVAL: a symlink's target ends at its first NUL; one inside would be cut off silently.
  package static var malformedTarget: Errno { .invalidArgument }

  // MARK: What the volume's options forbid

  /// EROFS: the volume is read-only by its options.
  package static var readOnlyVolume: Errno { .readOnlyFileSystem }
  /// EPERM: the options fix the owner. Success would be a lie that the next stat(2) shows.
  package static var fixedOwner: Errno { .notPermitted }
  /// ENODATA: where options fix owners or modes, no file has an ACL: it would contradict what is shown.
  package static var noACL: Errno { .noData }
  /// EOPNOTSUPP: and none can be set; cp -p and tar take this as "no ACLs here" and go on.
  package static var noACLs: Errno { .notSupported }

  /// EEXIST: XATTR_CREATE of an attribute that is there.
  package static var attributeExists: Errno { .fileExists }

  // MARK: Requests and state

  /// EINVAL: the kernel asks for more than was agreed, sends flags that nobody defined, or leaves out a part.
  package static var malformedRequest: Errno { .invalidArgument }
  /// EBADF: an operation on an open file without its handle.
  package static var noHandle: Errno { .badFileDescriptor }
  /// ERANGE: a value or a list of names does not fit into the caller's buffer, who then asks for its size.
  package static var valueTooLarge: Errno { .outOfRange }
  /// EINVAL: the shared state is not one that this build can read; the worker before goes on serving.
  package static var unreadableState: Errno { .invalidArgument }

  /// EOPNOTSUPP: modes of fallocate(2) beyond those that may be applied twice. The kernel refuses them with the same error.
  package static var notRepeatable: Errno { .notSupported }

  /// EINVAL: O_DIRECT, where the kernel reads the file itself and the under file system knows no O_DIRECT.
  package static var noDirectIO: Errno { .invalidArgument }

  // MARK: Object stores

  /// ESTALE: the object that is open was replaced or removed, and these bytes of it are nowhere.
  package static var versionGone: Errno { .staleNFSFileHandle }
  /// EACCES: the credentials do not allow it.
  package static var refusedByStore: Errno { .permissionDenied }
  /// EBUSY: the store is in the middle of another change of that object, beyond all repetitions.
  package static var busyObject: Errno { .resourceBusy }
  /// EOPNOTSUPP: what an object store cannot do, and what nobody imitates.
  package static var notWithObjects: Errno { .notSupported }
  /// EILSEQ: keys are UTF-8.
  package static var nameIsNoText: Errno { .illegalByteSequence }
  /// EXDEV: a directory with more keys than are moved at a time. mv(1) then copies.
  package static var tooManyKeys: Errno { .improperLink }

  /// ENOENT: there is no such object.
  package static var noSuchObject: Errno { .noSuchFileOrDirectory }
  /// ENOTDIR: something is looked for in a file, or a directory is to take a file's place.
  package static var notADirectory: Errno { .notDirectory }
  /// EINVAL: what rename(2) says of a directory that is to go beneath itself.
  package static var intoItself: Errno { .invalidArgument }
  /// EINVAL: what rename(2) says of flags that the file system does not know; mv(1) then does without.
  package static var unknownRename: Errno { .invalidArgument }
  /// EINVAL: what readlink(2) says of what is no symlink.
  package static var noSymlink: Errno { .invalidArgument }
  /// EINVAL: a place before the first byte.
  package static var negativePlace: Errno { .invalidArgument }
  /// EBADF: a change through a handle that only reads.
  package static var notOpenForWriting: Errno { .badFileDescriptor }
  /// EIO: the store has not said that it has all of the file. Its bytes are kept, and the next close or fsync tries again.
  package static var uploadFailed: Errno { .ioError }
  /// EIO: the record of what was written is not one, so that nothing of it is uploaded.
  package static var spoolDamaged: Errno { .ioError }

  // MARK: Reading over a network

  /// EIO: a source said that it was at the end of a range, and was not.
  package static var shortRange: Errno { .ioError }
  /// Nobody's errno: the session ends, and the request is the next worker's. It reaches no application.
  package static var leftToNextWorker: Errno { Errno(rawValue: 4096) }

  // MARK: What the kernel is told

  /// The number for the reply. ENOSYS is kept from the kernel: it would never again ask for that operation on this mount, and
  /// take fsync, flush and others as done. What is no errno becomes EIO: libfuse refuses it, and 0 would be a success without
  /// data.
  package var answer: CInt {
    switch self {
    case .noFunction: Errno.notSupported.rawValue
    case let error where error.rawValue <= 0 || error.rawValue >= 1000: Errno.ioError.rawValue
    default: rawValue
    }
  }
}
