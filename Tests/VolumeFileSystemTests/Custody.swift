import LinuxSystem
import Synchronization
import VolumeFileSystem

/// Descriptors that outlive the workers of a test, as a mounter would keep them.
final class Custody: NodeCustody {
  private let descriptors = Mutex<[NodeID: SharedDescriptor]>([:])

  /// Nodes whose descriptors are kept now.
  var nodes: Set<NodeID> { descriptors.withLock { Set($0.keys) } }

  func hold(_ node: NodeID, descriptor: CInt) {
    let borrowed = Descriptor(adopting: descriptor)
    let kept = try? borrowed.duplicate()
    _ = borrowed.release()
    guard let kept else { return }
    descriptors.withLock { [shared = SharedDescriptor(kept)] in $0[node] = shared }
  }

  func release(_ node: NodeID) { descriptors.withLock { $0[node] = nil } }
}
