package import LinuxSystem
internal import SystemPackage
internal import UnderFileSystem
package import VolumeModel

/// Directories of `file://` under file systems, beneath the file roots only.
package struct LocalProvisioningDirectories: ProvisioningDirectories {
  /// `--file-roots`.
  private let fileRoots: [String]

  package init(fileRoots: [String]) { self.fileRoots = fileRoots }

  package func checkServed(_ base: UnderFileSystemURI, by deadline: Deadline) async throws(CSIError) {
    let opened = try await open(base, by: deadline)
    guard case .failure(let failure) = opened else { return }
    switch failure {
    case .absent, .notPermitted:
      guard fileRoots.contains(where: { PathComponents.isBeneathOrSame(base.path, $0) }) else {
        throw .underFileSystem(base, .outsideRoots(canonical: base.path))
      }
    case .noRootsConfigured, .notADirectory, .outsideRoots, .other: throw .underFileSystem(base, failure)
    }
  }

  package func create(
    _ name: String, owner volumeID: String, in place: ProvisioningPlace, by deadline: Deadline
  ) async throws(CSIError) -> Bool {
    try await run("create the directory \(name) of volume \(volumeID)", in: place.base, by: deadline) {
      directories throws(VolumeDirectoryError) in
      try directories.createDirectory(named: FileName(stringLiteral: name), owner: volumeID)
    }
  }

  package func check(
    _ name: String, owner volumeID: String, in base: UnderFileSystemURI, by deadline: Deadline
  ) async throws(CSIError) {
    let step = "look for the directory \(name) of volume \(volumeID)"
    let isThere = try await run(step, in: base, by: deadline) { directories throws(VolumeDirectoryError) in
      try directories.hasDirectory(named: FileName(stringLiteral: name), owner: volumeID)
    }
    guard isThere else {
      throw .precondition(
        problem: "the volume's directory \(name) is not in \(base) any more: bring it back from a backup, or delete "
          + "the volume")
    }
  }

  package func end(
    _ name: String, owner volumeID: String, in place: ProvisioningPlace, _ action: VolumeContext.OnDelete,
    by deadline: Deadline
  ) async throws(CSIError) {
    try await run("\(action.rawValue) the directory \(name) of volume \(volumeID)", in: place.base, by: deadline) {
      directories throws(VolumeDirectoryError) in
      switch action {
      case .retain: break
      case .delete: try directories.removeDirectory(named: FileName(stringLiteral: name), owner: volumeID)
      case .archive: try directories.archiveDirectory(named: FileName(stringLiteral: name), owner: volumeID)
      }
    }
  }

  package func capacity(of base: UnderFileSystemURI?, by deadline: Deadline) async throws(CSIError) -> UInt64 {
    if let base {
      return try await run("ask for the capacity", in: base, by: deadline) { directories throws(VolumeDirectoryError) in
        try directories.availableCapacity()
      }
    }
    var most: UInt64 = 0
    for root in fileRoots {
      let uri = UnderFileSystemURI(scheme: .file, authority: "", path: root)
      // A root that is not there offers nothing; it is no reason to fail the question.
      if let free = try? await capacity(of: uri, by: deadline) { most = max(most, free) }
    }
    return most
  }

  /// Runs `body` over the open UFS directory on a thread that may hang.
  private func run<Value: Sendable>(
    _ step: String, in base: UnderFileSystemURI, by deadline: Deadline,
    _ body: @escaping @Sendable (LocalVolumeDirectories) throws(VolumeDirectoryError) -> Value
  ) async throws(CSIError) -> Value {
    let directory: DirectoryRoots.Opened
    switch try await open(base, by: deadline) {
    case .success(let opened): directory = opened
    case .failure(let failure): throw .underFileSystem(base, failure)
    }
    let result: Result<Value, VolumeDirectoryError> = try await blocking("\(step) in \(base)", by: deadline) {
      () throws(Errno) in
      let directories = LocalVolumeDirectories(base: try directory.directory.descriptor.duplicate())
      do throws(VolumeDirectoryError) { return .success(try body(directories)) } catch { return .failure(error) }
    }
    do throws(VolumeDirectoryError) { return try result.get() } catch { throw .volumeDirectory(error, step, in: base) }
  }

  private func open(
    _ base: UnderFileSystemURI, by deadline: Deadline
  ) async throws(CSIError) -> Result<DirectoryRoots.Opened, DirectoryRoots.Failure> {
    let roots = fileRoots
    return try await blocking("open \(base)", by: deadline) { () throws(Errno) in
      do throws(DirectoryRoots.Failure) {
        return .success(try DirectoryRoots.open(base.path, beneath: roots))
      } catch {
        return .failure(error)
      }
    }
  }

  private func blocking<Value: Sendable>(
    _ step: String, by deadline: Deadline, _ body: @escaping @Sendable () throws(Errno) -> Value
  ) async throws(CSIError) -> Value {
    do throws(BlockingCallError) {
      return try await BlockingCall.run(name: step, deadline: deadline, body)
    } catch {
      throw CSIError(error)
    }
  }
}
