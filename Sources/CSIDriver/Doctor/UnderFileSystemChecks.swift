internal import Glibc
internal import HTTP
package import LinuxSystem
internal import ObjectStore
internal import SystemPackage
internal import VolumeModel

/// Whether a directory of the node can be shown by volumes.
package struct DirectoryCheck: NodeCheck {
  package let name = "file system"
  let path: String

  package init(path: String) { self.path = path }

  package func findings(by deadline: Deadline) async -> [Finding] {
    await blocking(by: deadline) { look() }
  }

  private func look() -> [Finding] {
    do throws(Errno) {
      let directory = try Descriptor.open(path, O_RDONLY | O_DIRECTORY)
      _ = try FileSystemStatistics(of: directory)
      _ = try DirectoryNames.list(path)
      return [ok("\(path) can be read")]
    } catch {
      let mounted = "in the mounter's container it must be mounted as well (ufs.hostPaths, ufs.pvcMounts of the chart)"
      switch error {
      case .noSuchFileOrDirectory: return [failure("there is no directory \(path)", fix: "make it; \(mounted)")]
      case .notDirectory: return [failure("\(path) is no directory", fix: "name a directory")]
      case .permissionDenied, .notPermitted:
        return [
          failure("\(path) may not be read (\(error))", fix: "run this as root, or let root read it (root_squash)")
        ]
      case .staleNFSFileHandle, .socketNotConnected:
        return [failure("\(path) is a mount whose server is gone (\(error))", fix: "unmount and mount it again")]
      default: return [failure("\(path) cannot be read (\(error))", fix: "see the kernel's log (dmesg)")]
      }
    }
  }
}

/// An object store that is looked at.
package struct TriedStore: Sendable {
  let place: ProvisioningPlace
  let service: ObjectStoreService

  /// - Parameters:
  ///   - place: with the secrets that are tried; without any, the node's own credentials, or none.
  ///   - variable: of the node's environment.
  package init(
    _ place: ProvisioningPlace,
    variable: @escaping @Sendable (String) -> String? = { ProcessEnvironment.value(of: $0) }
  ) {
    self.place = place
    service = ObjectStoreService(needsCredentials: false, variable: variable)
  }
}

/// Whether an object store answers, and takes the credentials.
package struct BucketCheck: NodeCheck {
  package let name = "object store"
  let store: TriedStore

  package init(_ store: TriedStore) { self.store = store }

  package func findings(by deadline: Deadline) async -> [Finding] {
    await blocking(by: deadline) { look(by: deadline) }
  }

  private func look(by deadline: Deadline) -> [Finding] {
    let place = store.place
    let path = place.base.path
    do throws(CSIError) {
      let client = try store.service.client(for: place)
      if let diagnosis = client.check(prefix: ObjectKey(path.isEmpty ? "" : "\(path)/"), by: deadline) {
        return [failure(diagnosis.sentence, fix: fix(diagnosis.refusal))]
      }
      let keys = place.secrets.isEmpty ? "this environment's credentials, or none" : "the given keys"
      return [ok("\(place.base) at \(client.endpoint.address.authority) can be listed and read with \(keys)")]
    } catch {
      return [failure("\(place.base) cannot be asked: \(error.message)", fix: "correct the credentials that are given")]
    }
  }

  private func fix(_ refusal: UnderFileSystemRefusal) -> String {
    switch refusal {
    case .absent: "name a bucket that is there"
    case .credentials where store.place.secrets.isEmpty: "give the volume's keys with --secret-dir"
    case .credentials: "correct the secret, and publish the volume again"
    case .configuration: "correct the options that name the service"
    case .unreachable: "try from this node, with its proxy's variables: curl -I"
    case .full: "make room in the service, or have its owner raise the quota"
    case .other: "ask whoever runs the service, with the request id"
    }
  }
}

/// Whether this node's clock and that of an object store agree, without which it takes no signature.
package struct ClockCheck: NodeCheck {
  package let name = "clock"
  let store: TriedStore

  /// Services refuse what was signed so many seconds before or after their time.
  private static let refused: Int64 = 900
  /// From here on it is time to look after the clock.
  private static let notable: Int64 = 60

  package init(_ store: TriedStore) { self.store = store }

  package func findings(by deadline: Deadline) async -> [Finding] {
    await blocking(by: deadline) { look(by: deadline) }
  }

  private func look(by deadline: Deadline) -> [Finding] {
    let address = store.service.address(of: store.place)
    var request = HTTPRequest(method: "HEAD", url: "\(address)/")
    request.timeouts.total = deadline.remaining()
    let before = WallClock.coarseNanoseconds
    guard let http = try? store.service.transport(), let answer = try? http.perform(request, bodyLimit: 1 << 20),
      let date = answer.head["Date"].flatMap(UTCTime.init(httpDate:))
    else {
      return [warning("\(address.authority) tells no time to compare this node's with", fix: "see the line above")]
    }
    let now = (before / 2 + WallClock.coarseNanoseconds / 2) / 1_000_000_000
    let ahead = now - date.seconds
    let said = "this node's clock is \(abs(ahead)) s \(ahead < 0 ? "behind" : "ahead of") that of \(address.authority)"
    let fix = "let the node's clock be set by NTP (timedatectl, chronyc tracking)"
    if abs(ahead) >= Self.refused { return [failure("\(said): signatures are refused", fix: fix)] }
    if abs(ahead) >= Self.notable { return [warning(said, fix: fix)] }
    return [ok("this node's clock and that of \(address.authority) agree")]
  }
}
