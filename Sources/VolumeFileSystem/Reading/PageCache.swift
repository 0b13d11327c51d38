package import UnderFileSystem

/// Keeps pages of file versions somewhere cheaper than where they come from. It may forget any of them at any time, and
/// never answers with an error or a byte that is not the file's.
package protocol PageCache: Sendable {
  /// The same for all files, a power of two from 64 KiB to 16 MiB.
  var pageSize: Int { get }
  /// The pages of one version; nil when it cannot be kept.
  func pages(of version: ContentVersion) -> (any CachedPages)?
}

/// Pages of one version. Calls of any number of threads.
package protocol CachedPages: AnyObject, Sendable {
  /// Puts bytes at the start of `buffer` until it is full.
  /// - Parameter offset: in the file; all that is asked for lies in one page.
  /// - Returns: false when they are not there; the buffer may hold anything then.
  func read(into buffer: inout MutableRawSpan, at offset: Int64) -> Bool
  /// Whether the page is there now, as far as can be told without waiting.
  func contains(page: Int64) -> Bool
  /// Keeps a page, later, or does not. On a thread that must not wait.
  /// - Parameter bytes: all of the page; to be let go of soon, since it takes room from readers.
  /// - Returns: false when it is not going to be kept.
  func fill(page: Int64, with bytes: LentPage) -> Bool
}
