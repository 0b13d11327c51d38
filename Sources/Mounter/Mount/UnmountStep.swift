internal import LinuxSystem
internal import SystemPackage

/// The ways to take a mount away. Each may block on a worker that does not answer: they run on threads of their own.
enum UnmountStep {
  /// umount2(2) without force.
  /// - Parameter abandoningUsers: other mounts of the connection are no reason to keep this one.
  static func unmount(_ mountPoint: MountPoint, connection: UInt32, abandoningUsers: Bool) -> UnmountOutcome {
    do throws(Errno) {
      let table = try MountTable.read()
      guard let entry = table.visible(at: mountPoint.path), entry.type == FuseMount.type, entry.minor == connection
      else { return .unmounted }
      if !abandoningUsers {
        let others = table.mounts(minor: connection).filter { $0.id != entry.id }
        if !others.isEmpty { return .busy(others.map { .mount(at: $0.mountPoint) }) }
      }
      do throws(Errno) {
        try Mount.unmount(mountPoint.path)
        return .unmounted
      } catch .resourceBusy {
        let users = (try? MountHolders.find(entry)) ?? []
        return .busy(users.map { .process(pid: $0.pid, program: $0.command) })
      }
    } catch {
      return .failed(error, step: "unmounting \(mountPoint.path)")
    }
  }

  /// Takes the mount out of the name space, then its connection from whoever still uses it.
  static func detach(_ mountPoint: MountPoint, connection: UInt32, device: SharedDescriptor) -> UnmountOutcome {
    // Before the number may become another mount's.
    let abortSwitch = try? FuseConnection(number: connection).abortSwitch(of: device.descriptor)
    do throws(Errno) {
      let entry = try MountTable.read(along: mountPoint.path).visible(at: mountPoint.path)
      if let entry, entry.type == FuseMount.type, entry.minor == connection {
        try Mount.unmount(mountPoint.path, flags: [.detach, .noFollow])
      }
    } catch {
      return .failed(error, step: "detaching \(mountPoint.path)")
    }
    try? abortSwitch?.abort()
    return .unmounted
  }

  /// Ends the connection. One that is gone already is fine; where the control file system cannot be reached the last
  /// descriptor's end does the same.
  static func abort(_ connection: UInt32, device: SharedDescriptor) {
    try? FuseConnection(number: connection).abortSwitch(of: device.descriptor)?.abort()
  }

  /// Removes what is left of a volume that no mounter knows.
  static func sweep(_ mountPoint: MountPoint) -> MounterError? {
    do throws(MounterError) {
      try mountPoint.clear()
      try mountPoint.remove()
      return nil
    } catch {
      return error
    }
  }
}
