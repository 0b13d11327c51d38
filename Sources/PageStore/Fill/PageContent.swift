import LinuxSystem

/// The bytes of a page on their way to the disk. Whoever hands them over must not change them until they are released.
package protocol PageContent: AnyObject, Sendable {
  /// The page's length.
  var byteCount: Int { get }
  /// Lends the bytes for the time of the call.
  func withBytes(_ body: (RawSpan) -> Void)
}

/// Bytes in an array of their own.
package final class PageBytes: PageContent {
  /// The page.
  package let bytes: [UInt8]

  package init(_ bytes: [UInt8]) { self.bytes = bytes }

  package var byteCount: Int { bytes.count }
  package func withBytes(_ body: (RawSpan) -> Void) { bytes.withRawSpan(0..<bytes.count, body) }
}
