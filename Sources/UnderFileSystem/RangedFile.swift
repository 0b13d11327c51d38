package import SystemPackage

/// What tells one content of a file from every other content of any file.
package struct ContentVersion: Sendable, Hashable {
  /// The under file system: two that hold different files never have one name.
  package var source: [UInt8]
  /// The file's path or key in it, byte for byte.
  package var path: [UInt8]
  /// Of this content: an ETag.
  package var tag: [UInt8]
  /// In bytes.
  package var size: Int64

  package init(source: [UInt8], path: [UInt8], tag: [UInt8], size: Int64) {
    self.source = source
    self.path = path
    self.tag = tag
    self.size = size
  }
}

/// An open file whose bytes come over a network, in ranges: one version of it, and those that this mount makes from it.
package protocol RangedFile: OpenFile {
  /// What is open.
  var contentVersion: ContentVersion { get }
  /// Another number with each version.
  var revision: Int { get }
  /// This mount has written what no version has yet: the file's own `read` serves all of it until then.
  var isWritten: Bool { get }
  /// Looks, after ESTALE, whether this mount has made another version of the file, and goes over to it. May wait.
  /// - Returns: false where there is none: the file is stale.
  func follow() throws(Errno) -> Bool
  /// Asks for bytes. Returns at once; any number of ranges may be under way.
  /// - Parameters:
  ///   - range: within the version, not empty.
  ///   - version: one that was open here; bytes of another one are never handed over.
  ///   - sink: kept until it is told the end, which may be before this returns.
  func fetch(_ range: Range<Int64>, of version: ContentVersion, into sink: any RangeSink) -> any RangeTransfer
}

/// Takes the bytes of one range. Called by one thread at a time, which serves other ranges as well: it must not wait, and
/// may ask for other ranges and cancel them.
package protocol RangeSink: AnyObject, Sendable {
  /// The next bytes of the range, from its start on without a gap.
  /// - Parameter bytes: valid during the call only.
  /// - Returns: false: no more are wanted; the transfer ends as if it were cancelled.
  func receive(_ bytes: RawSpan) -> Bool
  /// The end, once; nothing is called after it.
  /// - Parameter error: nil when all bytes were handed over; ESTALE when the file has another version now; ECANCELED.
  func finish(_ error: Errno?)
}

/// A range on its way.
package protocol RangeTransfer: AnyObject, Sendable {
  /// Ends it soon: its sink is told so unless it was told an end before. From any thread, any number of times.
  func cancel()
}

extension RangedFile {
  package var revision: Int { 0 }
  package var isWritten: Bool { false }
  package func follow() throws(Errno) -> Bool { false }
}

extension OpenFile {
  package var ranged: (any RangedFile)? { nil }
}
