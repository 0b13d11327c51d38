import Synchronization
import UnderFileSystem

/// Directories that are being read, between two requests of their readers. Handles hold nothing: a stream that is not here
/// (closed for room, or lost with a worker) is opened again at the reader's cookie.
final class DirectoryStreams: Sendable {
  private struct Parked {
    var node: NodeID
    var stream: any DirectoryStream
  }

  /// More than readers that take turns in practice; each holds a descriptor and a buffer of 32 KiB.
  private static let capacity = 32
  /// The latest at the end.
  private let parked = Mutex<[Parked]>([])

  /// Takes out a stream of the directory that stands at `cookie`.
  func take(_ node: NodeID, at cookie: UInt64) -> (any DirectoryStream)? {
    // At the start a fresh stream is needed: rewinddir(3) shows what has changed.
    guard cookie != 0 else { return nil }
    return parked.withLock { parked in
      guard let index = parked.lastIndex(where: { $0.node == node && $0.stream.position == cookie }) else { return nil }
      return parked.remove(at: index).stream
    }
  }

  func park(_ stream: any DirectoryStream, of node: NodeID) {
    let dropped = parked.withLock { parked in
      parked.append(Parked(node: node, stream: stream))
      return parked.count > Self.capacity ? parked.removeFirst().stream : nil
    }
    _ = dropped
  }

  /// Closes the streams of a directory that nobody reads any more; other readers of it open theirs again.
  func drop(_ node: NodeID) {
    let dropped = parked.withLock { parked -> [any DirectoryStream] in
      guard parked.contains(where: { $0.node == node }) else { return [] }
      let streams = parked.filter { $0.node == node }.map(\.stream)
      parked.removeAll { $0.node == node }
      return streams
    }
    _ = dropped
  }
}
