internal import Glibc
package import LinuxSystem
internal import SystemPackage

/// Whether the node's disk takes the pages of volumes on object stores, and what is written to them. Writes a small file
/// for a moment.
package struct PageStoreCheck: NodeCheck {
  package let name = "page store"
  let folder: String

  package init(folder: String) { self.folder = folder }

  package func findings(by deadline: Deadline) async -> [Finding] {
    await blocking(by: deadline) { look() }
  }

  private func look() -> [Finding] {
    // It is made with the first volume.
    var place = folder
    while (try? Descriptor.reach(place)) == nil, let slash = place.lastIndex(of: "/"), place != "/" {
      place = slash > place.startIndex ? String(place[..<slash]) : "/"
    }
    do throws(Errno) {
      let space = try FileSystemStatistics(at: place)
      if space.isReadOnly { throw .readOnlyFileSystem }
      try write(in: place)
      let directory = try Descriptor.reach(place).path()
      let type = try MountTable.read(along: directory).containing(directory)?.type ?? "?"
      return [room(space), kind(type)].compactMap { $0 }.nonEmpty
        ?? [ok("\(folder) can be written: \(Self.gigabytes(space.availableBytes)) free on \(type)")]
    } catch {
      return [problem(error, place)]
    }
  }

  private func write(in place: String) throws(Errno) {
    let path = "\(place)/.doctor-\(ProcessUser.pid)"
    defer { _ = try? AtomicFile.remove(path) }
    let file = try Descriptor.open(path, O_WRONLY | O_CREAT | O_EXCL, mode: 0o600)
    try file.writeAll([UInt8](repeating: 0x55, count: 64 << 10))
    try file.synchronize()
  }

  private func problem(_ error: Errno, _ place: String) -> Finding {
    let other = "or name another folder with the plugin's --page-store"
    switch error {
    case .noSpace, .diskQuotaExceeded:
      return failure(
        "the disk of \(place) is full: nothing is cached, and nothing can be written to volumes on object stores",
        fix: "make room, \(other)")
    case .readOnlyFileSystem:
      return failure(
        "\(place) is on a read-only file system: nothing is cached, and nothing can be written to volumes on object stores",
        fix: "see whether the kernel made it so after an error (dmesg), \(other)")
    default:
      return failure("\(place) cannot be written (\(error))", fix: "run this as root, \(other)")
    }
  }

  /// Page stores leave so much free, whatever they may take.
  private func room(_ space: FileSystemStatistics) -> Finding? {
    let kept = min(space.totalBytes / 10, 10 << 30)
    guard space.availableBytes < kept else { return nil }
    return warning(
      "only \(Self.gigabytes(space.availableBytes)) are free on the disk of \(folder), and page stores leave "
        + "\(Self.gigabytes(kept)) free: nothing new is kept", fix: "make room on it")
  }

  private func kind(_ type: String) -> Finding? {
    switch type {
    case "tmpfs", "ramfs":
      warning("\(folder) is memory (\(type))", fix: "name a folder of a local disk with the plugin's --page-store")
    case "overlay":
      warning(
        "\(folder) is the container's own file system, which ends with it",
        fix: "mount a folder of the node (pageStore.hostPath of the chart)")
    case "nfs", "nfs4", "cifs", "ceph":
      warning("\(folder) is across the network (\(type))", fix: "name a folder of a local disk with --page-store")
    default: nil
    }
  }

  private static func gigabytes(_ bytes: UInt64) -> String {
    let tenths = (bytes * 10) >> 30
    return "\(tenths / 10).\(tenths % 10) GiB"
  }
}

extension Array {
  fileprivate var nonEmpty: Self? { isEmpty ? nil : self }
}
