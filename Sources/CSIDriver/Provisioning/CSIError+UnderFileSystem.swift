package import LinuxSystem
internal import ObjectStore
internal import SystemPackage
internal import UnderFileSystem
internal import VolumeModel

extension CSIError {
  /// What the caller sees when a `file://` directory cannot be opened. The same situations are met by the mounter.
  static func underFileSystem(_ uri: UnderFileSystemURI, _ failure: DirectoryRoots.Failure) -> CSIError {
    switch failure {
    case .noRootsConfigured:
      .permissionDenied(problem: "\(uri) may not be served, since no directory may: start the driver with --file-roots")
    case .outsideRoots:
      .permissionDenied(
        problem: "\(uri) lies outside the directories that may be served, once symbolic links are resolved: "
          + "ask the administrator to add its directory to --file-roots")
    case .absent:
      .precondition(problem: "\(uri) does not exist: create the directory, mount it here, or correct the path")
    case .notADirectory: .precondition(problem: "\(uri) is not a directory: name the directory that holds the data")
    case .notPermitted:
      .permissionDenied(
        problem: "the driver may not open \(uri): give its user access to the directory and all above it")
    case .other(let error): .underFileSystem(uri, step: "open the directory", error)
    }
  }

  /// A system call on the UFS that failed.
  static func underFileSystem(_ uri: UnderFileSystemURI, step: String, _ error: Errno) -> CSIError {
    switch error {
    case .noSpace: .exhausted(problem: "\(step) in \(uri) failed, the file system is full: free some space")
    // EDQUOT; SystemPackage has no name for it on Linux that reads like it.
    case Errno(rawValue: 122): .exhausted(problem: "\(step) in \(uri) failed, the quota is used up: raise it")
    case .readOnlyFileSystem:
      .precondition(problem: "\(step) in \(uri) failed, the file system is read-only: mount it writable")
    case .permissionDenied, .notPermitted:
      .permissionDenied(problem: "\(step) in \(uri) is not permitted: give the driver's user write access there")
    case .ioError, .staleNFSFileHandle, .timedOut, Errno(rawValue: 107), .hostIsDown, .noRouteToHost:
      .unavailable(problem: "\(step) in \(uri) failed (\(error)): see that its server or disk works")
    default: .failed(step: "\(step) in \(uri)", cause: error.description)
    }
  }

  /// - Parameter explain: what is wrong with a request to an object store, for people.
  static func volumeDirectory(
    _ error: VolumeDirectoryError, _ step: String, in uri: UnderFileSystemURI,
    _ explain: (ObjectStoreError) -> String = \.description
  ) -> CSIError {
    switch error {
    case .badName:
      .malformedField(VolumeContextKey.directoryPattern.name, problem: "gives a name that no directory can have")
    case .foreignOwner(let owner?):
      .precondition(
        problem:
          "\(step) refused: the directory in \(uri) belongs to volume '\(owner)'; choose another directoryPattern")
    case .foreignOwner(nil):
      .precondition(
        problem:
          "\(step) refused: the directory in \(uri) was not made by this driver; move it away or choose another "
          + "directoryPattern"
      )
    case .notADirectory: .precondition(problem: "\(step) refused: something in \(uri) has its name and is no directory")
    case .mountInside(let path):
      .precondition(problem: "\(step) refused: a file system is mounted at \(path); unmount it first")
    case .interrupted(done: 0): .deadlineExceeded(step: "\(step) in \(uri)")
    case .interrupted(let done):
      .deadlineExceeded(step: "\(step) in \(uri) (\(done) objects are done, the next call goes on)")
    case .undeletable(let count, let code):
      .permissionDenied(
        problem:
          "\(step) in \(uri) failed: the service keeps \(count) or more objects (\(code)): grant s3:DeleteObject "
          + "on them, end what locks them, or delete them by hand")
    case .strayKey:
      .failed(
        step: "\(step) in \(uri)",
        cause: "the service lists objects that were not asked for; none of that list was removed")
    case .keyTooLong:
      .precondition(
        problem: "\(step) in \(uri) failed: an object's key would have more than 1024 bytes in the archive; move it, "
          + "or delete the directory by hand")
    case .unsettled:
      .unavailable(
        problem: "\(step) in \(uri) failed: objects appear as fast as they go; end what writes to the directory")
    case .store(let error, let operation):
      .objectStore(error, step: "\(step) in \(uri) (\(operation))", explain)
    case .system(let errno, let operation): .underFileSystem(uri, step: "\(step) (\(operation))", errno)
    }
  }

  /// A call that may hang and did, or failed.
  package init(_ error: BlockingCallError) {
    switch error {
    case .deadlineExceeded(let name): self = .deadlineExceeded(step: name)
    case .cancelled(let name): self = .cancelled(step: name)
    case .tooManyAbandoned(let name, let count):
      self = .unavailable(
        problem: "\(name) was not tried, since \(count) earlier calls hang: see that the under file systems respond")
    case .failed(let name, let errno): self = .failed(step: name, cause: errno.description)
    }
  }
}
