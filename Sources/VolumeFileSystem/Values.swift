package import UnderFileSystem

/// The number by which the kernel knows a node, FUSE `nodeid`. 1 is the root.
package typealias NodeID = UInt64

/// What a lookup, creation or link answers: FUSE `fuse_entry_out`.
/// Each one that reaches the kernel counts as a lookup; one that could not be delivered is given back with `forget(node, 1)`.
package struct Entry: Sendable, Hashable {
  package var node: NodeID
  /// Differs between two uses of one node number.
  package var generation: UInt64
  package var attributes: Attributes
  /// Nanoseconds for which the kernel may answer itself.
  package var entryTimeout: UInt64
  package var attributeTimeout: UInt64
}

/// What getattr and setattr answer: FUSE `fuse_attr_out`.
package struct AttributeReply: Sendable, Hashable {
  package var attributes: Attributes
  /// Nanoseconds for which the kernel may answer itself.
  package var timeout: UInt64
}

/// FUSE `fh`. It holds the flags of the open and nothing else, so that a worker that takes over needs no table of handles.
package struct HandleID: Sendable, Hashable, RawRepresentable {
  package let rawValue: UInt64
  package init(rawValue: UInt64) { self.rawValue = rawValue }

  /// - Parameter flags: open(2) flags of the request.
  package init(openFlags flags: Int32) { rawValue = UInt64(UInt32(bitPattern: flags)) }

  /// The open(2) flags.
  package var openFlags: Int32 { Int32(truncatingIfNeeded: rawValue) }
}

/// What open, create and opendir answer: FUSE `fuse_open_out`.
package struct OpenReply: Sendable, Hashable {
  package var handle: HandleID
  /// FOPEN_KEEP_CACHE: the kernel's pages are still right.
  package var keepCache: Bool
  /// The kernel's number of the file that it reads and writes itself; 0: it asks us.
  package var backing: Int32 = 0
  /// FOPEN_DIRECT_IO: the kernel asks us for each read all the same, where others have the node open with `backing`.
  package var isDirect = false
}
