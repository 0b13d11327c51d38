/// What volumes on object stores have beside, since their worker began.
extension MetricTable {
  private static func volume(
    _ kind: Metric.Kind, _ name: String, _ labels: [String] = [], _ help: String
  ) -> Metric {
    Metric(kind, "alluxio_csi_volume_\(name)", ["volume", "group"] + labels, help)
  }

  // MARK: The page store and memory

  package static let cacheHits = volume(
    .counter, "cache_hits_total", [], "Reads, in parts of at most a page, that did not wait for the store")
  package static let cacheMisses = volume(.counter, "cache_misses_total", [], "Reads that waited for the store")
  package static let cacheReadBytes = volume(
    .counter, "cache_read_bytes_total", [], "Bytes that came from the page store")
  package static let evictions = volume(
    .counter, "cache_evicted_pages_total", [], "Pages that were dropped for others")
  package static let cachedBytes = volume(.gauge, "cache_bytes", [], "Bytes that are in the page store now")
  package static let cacheLimit = volume(.gauge, "cache_limit_bytes", [], "Bytes that may be there")
  package static let cacheUsable = volume(
    .gauge, "cache_usable", [], "1 while the page store is used; 0 where its disk is full, slow or failing")
  package static let bufferBytes = volume(.gauge, "read_buffer_bytes", [], "Memory of read buffers in use")
  package static let bufferLimit = volume(.gauge, "read_buffer_limit_bytes", [], "Memory of read buffers at most")
  package static let openFiles = volume(.gauge, "open_files", [], "Files that are open for reading")
  package static let readAheadWaste = volume(
    .counter, "read_ahead_waste_bytes_total", [], "Bytes that were read ahead and that nobody read")

  static let cache = [
    cacheHits, cacheMisses, cacheReadBytes, evictions, cachedBytes, cacheLimit, cacheUsable, bufferBytes, bufferLimit,
    readAheadWaste, openFiles,
  ]

  // MARK: The under file system

  package static let storeReadBytes = volume(
    .counter, "ufs_read_bytes_total", [], "Bytes of files that came from the under file system")
  package static let storeRequests = volume(
    .counter, "ufs_requests_total", ["kind", "code"],
    "Attempts of requests to the store, by HTTP status or what came instead of one")
  package static let storeSeconds = volume(
    .summary, "ufs_request_duration_seconds", ["kind"], "How long attempts took that were answered")
  package static let hiddenKeys = volume(
    .gauge, "ufs_hidden_keys", [], "Keys and prefixes of the store that cannot be names and are not shown")

  static let store = [storeReadBytes, storeRequests, storeSeconds, hiddenKeys]
}
