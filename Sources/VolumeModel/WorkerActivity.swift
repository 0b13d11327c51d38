/// What a worker has done for applications since it began. What the kernel reads and writes itself (passthrough, its own
/// cache) is not in it.
package struct WorkerActivity: Sendable, Hashable, Codable {
  /// Requests of the kernel, with a result or an error.
  package var answered: UInt64 = 0
  /// Contents of files.
  package var readBytes: UInt64 = 0
  package var writtenBytes: UInt64 = 0
  /// Answers that were errors, in the order of their numbers.
  package var errors: [Errors] = []

  /// So many answers were this error.
  package struct Errors: Sendable, Hashable, Codable {
    /// errno(3), as the application got it.
    package var number: Int32
    package var count: UInt64

    package init(_ number: Int32, _ count: UInt64) {
      self.number = number
      self.count = count
    }
  }

  package init() {}
}
