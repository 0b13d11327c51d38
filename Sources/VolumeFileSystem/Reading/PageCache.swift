package import LinuxSystem
package import UnderFileSystem

/// Keeps pages of file versions somewhere cheaper than where they come from. It may forget any of them at any time, and
/// never answers with an error or a byte that is not the file's.
package protocol PageCache: Sendable {
  /// The same for all files, a power of two from 64 KiB to 16 MiB.
  var pageSize: Int { get }
  /// Others, with rights of their own, keep pages in the same place: nobody reads a version from here who has not shown
  /// that he may read it there where it comes from.
  var isShared: Bool { get }
  /// The pages of one version; nil when it cannot be kept.
  func pages(of version: ContentVersion) -> (any CachedPages)?
  /// The version in a file of its own that holds nothing else, open for reading; nil when there is none.
  func wholeFile(of version: ContentVersion) -> SharedDescriptor?
  /// Makes such a file in the background, where all pages are there and there is room for it.
  func keepWhole(_ version: ContentVersion)
}

extension PageCache {
  package var isShared: Bool { false }
  package func wholeFile(of version: ContentVersion) -> SharedDescriptor? { nil }
  package func keepWhole(_ version: ContentVersion) {}
}

/// Pages of one version. Calls of any number of threads.
package protocol CachedPages: AnyObject, Sendable {
  /// Puts bytes at the start of `buffer` until it is full.
  /// - Parameter offset: in the file; all that is asked for lies in one page.
  /// - Returns: false when they are not there; the buffer may hold anything then.
  func read(into buffer: inout MutableRawSpan, at offset: Int64) -> Bool
  /// Whether the page is there now, as far as can be told without waiting.
  func contains(page: Int64) -> Bool
  /// Asks for the right to bring the page, before it is fetched. Does not wait.
  func claim(page: Int64) -> PageClaim
  /// Keeps a page, later, or does not. On a thread that must not wait.
  /// - Parameters:
  ///   - bytes: all of the page; to be let go of soon, since it takes room from readers.
  ///   - right: to bring the page, where one was given.
  /// - Returns: false when it is not going to be kept.
  func fill(page: Int64, with bytes: LentPage, by right: (any PageRight)?) -> Bool
}

extension CachedPages {
  package func claim(page: Int64) -> PageClaim { .ours(nil) }
}

/// Who is to bring a page.
package enum PageClaim: Sendable {
  /// The caller. Nil: there is nobody else who could.
  case ours((any PageRight)?)
  /// Another worker of this node has begun to.
  case elsewhere(any PageArrival)
}

/// The right to bring a page; given up when it is let go of.
package protocol PageRight: AnyObject, Sendable {}

/// A page that another worker brings.
package protocol PageArrival: Sendable {
  /// Waits on the caller's thread.
  /// - Returns: false when nothing had come of it by the deadline; else it is there, or nobody brings it any more.
  func wait(until deadline: Deadline) -> Bool
}
