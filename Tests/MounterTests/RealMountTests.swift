import Glibc
import LinuxSystem
import Mounter
import SystemPackage
import TestSupport
import Testing
import VolumeModel

/// Real mounts, real workers, real sockets.
@Suite("A mounter with real workers", .serialized)
struct RealMountTests {
  @Test("a volume is mounted, read, unmounted, and nothing is left", .requiresFuse)
  func roundTrip() async throws {
    try await RunningMounter.use { mounter in
      let request = try mounter.request("data")
      let status = try await mounter.mount(request)
      #expect(status.state == .ready)
      #expect(status.pid != nil)
      #expect(status.request == request)
      #expect(try await mounter.read(request) == "content of data\n")
      let entry = try #require(try MountTable.read().visible(at: request.mountPoint))
      #expect(entry.type == "fuse.alluxio-fuse")
      #expect(entry.minor == status.connection)
      #expect(entry.flags.isSuperset(of: [.noSetUserID, .noDevices]))
      let worker = try PidFD(pid: try #require(status.pid))
      try await mounter.unmount(request)
      #expect(try worker.hasEnded())
      #expect(try !mounter.isMounted(request))
      #expect(access(request.mountPoint, F_OK) != 0)
      #expect(try await mounter.client.list(by: RunningMounter.patience) == [])
    }
  }
}
