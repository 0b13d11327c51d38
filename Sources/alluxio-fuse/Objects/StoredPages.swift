import PageStore
import UnderFileSystem
import VolumeFileSystem

/// The page store as reads of files use it.
struct StoredPages: PageCache {
  let store: PageStore

  init(_ store: PageStore) { self.store = store }

  var pageSize: Int { store.pageSize }

  func pages(of version: ContentVersion) -> (any CachedPages)? {
    let file = FileVersion(
      underFileSystem: version.source, path: version.path, revision: .etag(version.tag), size: version.size)
    return StoredFile(store.open(file))
  }
}

/// Pages of one version in the page store.
private final class StoredFile: CachedPages {
  private let file: CachedFile

  init(_ file: CachedFile) { self.file = file }

  func read(into buffer: inout MutableRawSpan, at offset: Int64) -> Bool {
    file.read(into: &buffer, at: offset) == buffer.byteCount
  }

  func contains(page: Int64) -> Bool { file.contains(page: page) }

  func fill(page: Int64, with bytes: LentPage) -> Bool {
    switch file.beginFill(page: page) {
    case .ours(let fill):
      fill.commit(bytes)
      return true
    case .elsewhere: return false
    case .refused: return false
    }
  }
}

/// A page in the pool's memory goes to the disk from there.
extension LentPage: PageContent {}
