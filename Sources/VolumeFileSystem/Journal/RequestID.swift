/// The kernel's number for a request, FUSE `unique`. No other request of the connection ever gets it, but numbers do not
/// only grow: each processor of the machine may count on its own.
package struct RequestID: Sendable, Hashable {
  /// FUSE_UNIQUE_RESEND.
  private static let resentBit: UInt64 = 1 << 63

  /// The same for a request and its repetition; 0 for none, which is not journaled.
  let number: UInt64
  /// An earlier worker had read the request and not answered it.
  package let isResent: Bool

  /// - Parameter unique: of the request's header.
  package init(unique: UInt64) {
    number = unique & ~Self.resentBit
    isResent = unique & Self.resentBit != 0
  }
}
