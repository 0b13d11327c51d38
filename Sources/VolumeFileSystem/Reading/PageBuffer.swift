/// A page of a file in memory, or on its way there. Used under its file's lock; the bytes of grains on their way belong to the
/// fetch that brings them, those that are present to whoever counts as a user.
final class PageBuffer {
  let page: Int64
  /// Of the pool.
  let cell: Int
  /// Grains that have room, that a fetch brings, and whose bytes are here.
  var assigned: UInt64 = 0
  var requested: UInt64 = 0
  var present: UInt64 = 0
  /// Grains that were asked for before anybody wanted them, and that nobody has read.
  var ahead: UInt64 = 0
  /// Grains that were read to their end.
  var consumed: UInt64 = 0
  /// Grains that readers wait for.
  var awaited: UInt64 = 0
  /// Readers that copy or wait, and who it is lent to.
  var users = 0
  /// It was handed to the page store, or refused.
  var isOffered = false
  var lastUse: UInt64 = 0
  /// To bring the page, against other workers; kept while all of it is here or on its way.
  var right: (any PageRight)?

  init(page: Int64, cell: Int) {
    self.page = page
    self.cell = cell
  }

  var isIdle: Bool { users == 0 && requested == 0 }
}
