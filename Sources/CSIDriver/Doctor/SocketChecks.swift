internal import GRPC
package import LinuxSystem
internal import Mounter
internal import SystemPackage
internal import VolumeModel

/// Whether the plugin answers at its socket, as the driver that is looked for.
package struct PluginCheck: NodeCheck {
  package let name = "plugin"
  let socket: String
  let driverName: String

  /// - Parameter socket: its path.
  package init(socket: String, driverName: String) {
    self.socket = socket
    self.driverName = driverName
  }

  package func findings(by deadline: Deadline) async -> [Finding] {
    let start = "see that the pod of alluxio-csi-nodeplugin runs on this node (kubectl logs says why not)"
    guard (try? Descriptor.find(socket)) != nil else {
      return [failure("there is no socket \(socket)", fix: "\(start), or name its --endpoint")]
    }
    do throws(SocketInquiry.Problem) {
      let inquiry = try SocketInquiry(socket)
      let info = try await inquiry.pluginInfo(by: deadline)
      guard info.name == driverName else {
        return [failure("\(socket) is of the driver \(info.name)", fix: "name it with --driver-name \(info.name)")]
      }
      guard try await inquiry.isReady(by: deadline) else {
        return [failure("\(info.name) \(info.version) answers that it is not ready", fix: "its log says why")]
      }
      return [ok("\(info.name) \(info.version) answers at \(socket)")]
    } catch .nobody {
      return [failure("nobody answers at \(socket), which an ended plugin has left behind", fix: start)]
    } catch {
      return [failure("\(socket) gives no answer of a CSI plugin (\(error))", fix: start)]
    }
  }
}

/// Whether the kubelet finds the plugin: the socket that node-driver-registrar makes for it.
package struct RegistrationCheck: NodeCheck {
  package let name = "registration"
  let folder: String
  let driverName: String

  package init(kubeletDirectory: String, driverName: String) {
    folder = "\(kubeletDirectory)/plugins_registry"
    self.driverName = driverName
  }

  package func findings(by deadline: Deadline) async -> [Finding] {
    let socket = "\(folder)/\(driverName)-reg.sock"
    let start = "see that the container node-driver-registrar of alluxio-csi-nodeplugin runs, and what its log says"
    guard (try? Descriptor.find(socket)) != nil else {
      return [failure("the kubelet knows no driver \(driverName): there is no socket \(socket)", fix: start)]
    }
    do throws(SocketInquiry.Problem) {
      try await SocketInquiry(socket).isServed(by: deadline)
      return [ok("\(driverName) is registered with the kubelet in \(folder)")]
    } catch .nobody {
      return [failure("nobody answers at \(socket), which an ended registrar has left behind", fix: start)]
    } catch {
      return [failure("\(socket) does not answer (\(error))", fix: start)]
    }
  }
}

/// Whether the mounter answers, and how its volumes are.
package struct MounterCheck: NodeCheck {
  package let name = "mounter"
  let socket: String

  package init(socket: String) { self.socket = socket }

  package func findings(by deadline: Deadline) async -> [Finding] {
    let statuses: [WorkerStatus]
    do throws(MounterError) {
      statuses = try await MounterClient(socket: socket, program: "alluxio-csi doctor").list(by: deadline)
    } catch {
      let what = if case .unreachable(_, let reason) = error { reason } else { "\(error)" }
      return [
        failure(
          "no mounter answers at \(socket) (\(what))",
          fix: "see that the pod of alluxio-csi-mounter runs on this node, or name its --mounter-socket")
      ]
    }
    let report = NodeReport(statuses: statuses, records: [])
    let abnormal = report.volumes.filter(\.condition.abnormal).map { volume in
      warning("volume \(volume.volumeID): \(volume.condition.message)", fix: "alluxio-csi status says more")
    }
    return [ok("it answers at \(socket) and has \(statuses.count) volumes")] + abnormal
  }
}
