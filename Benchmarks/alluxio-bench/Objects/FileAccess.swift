import Foundation
import LinuxSystem
import Synchronization

/// How an application of the benchmark uses files. All of it fails loudly: a fast error is no result.
enum FileAccess {
  /// Reads a file from front to back. - Returns: seconds.
  static func sequential(_ path: String, size: Int) throws -> Double {
    try withFile(path) { file, buffer in
      let start = ContinuousClock.now
      var done = 0
      while true {
        let count = read(file, buffer, block)
        if count < 0 { throw BenchmarkError("\(path) at \(done): \(words)") }
        if count == 0 { break }
        done += count
      }
      guard done == size else { throw BenchmarkError("\(path) has \(done) bytes, not \(size)") }
      return seconds(since: start)
    }
  }

  /// Reads 4 KiB at so many places, each another one. - Returns: seconds.
  static func random(_ path: String, size: Int, reads: Int, direct: Bool = false) throws -> Double {
    let stride = size / reads / 4096 * 4096
    let places = (0..<reads).map { $0 * stride }.shuffled()
    return try withFile(path, direct: direct) { file, buffer in
      posix_fadvise(file, 0, 0, POSIX_FADV_RANDOM)
      let start = ContinuousClock.now
      for place in places where pread(file, buffer, 4096, off_t(place)) != 4096 {
        throw BenchmarkError("\(path) at \(place): \(words)")
      }
      return seconds(since: start)
    }
  }

  /// Opens a file and reads what a program wants first. - Returns: seconds.
  static func firstByte(_ path: String) throws -> Double {
    let start = ContinuousClock.now
    return try withFile(path) { file, buffer in
      guard read(file, buffer, 4096) == 4096 else { throw BenchmarkError("\(path): \(words)") }
      return seconds(since: start)
    }
  }

  /// Names in a directory, as `ls -f` gets them. - Returns: seconds.
  static func list(_ path: String, expected: Int) throws -> Double {
    let start = ContinuousClock.now
    guard let stream = opendir(path) else { throw BenchmarkError("\(path): \(words)") }
    defer { closedir(stream) }
    var names = 0
    while let entry = readdir(stream) {
      if entry.pointee.d_name.0 != 0x2E { names += 1 }
    }
    guard names == expected else { throw BenchmarkError("\(path) has \(names) names, not \(expected)") }
    return seconds(since: start)
  }

  /// Walks through the folders and reads every file, as data loaders do: each thread takes the next folder.
  /// - Returns: seconds.
  static func walk(_ path: String, threads: Int) throws -> Double {
    let start = ContinuousClock.now
    let folders = try FileManager.default.contentsOfDirectory(atPath: path).sorted().map { "\(path)/\($0)" }
    let next = Atomic(0)
    let bytes = Atomic(0)
    let failures = Mutex<[String]>([])
    let done = try (0..<threads).map { _ in try EventFD() }
    for event in done {
      try DetachedThread.start(name: "walk", stackSize: 1 << 20) {
        while true {
          let place = next.add(1, ordering: .relaxed).oldValue
          guard place < folders.count else { break }
          do { bytes.add(try readAll(folders[place]), ordering: .relaxed) } catch {
            failures.withLock { $0.append("\(error)") }
          }
        }
        event.signal()
      }
    }
    for event in done { _ = try event.descriptor.isReadable(within: -1) }
    if let failure = failures.withLock({ $0.first }) { throw BenchmarkError(failure) }
    let expected = ObjectData.smallFolders * ObjectData.smallFilesEach * ObjectData.smallSize
    let read = bytes.load(ordering: .relaxed)
    guard read == expected else { throw BenchmarkError("\(path) holds \(read) bytes, not \(expected)") }
    return seconds(since: start)
  }

  private static func readAll(_ folder: String) throws -> Int {
    guard let stream = opendir(folder) else { throw BenchmarkError("\(folder): \(words)") }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if !name.hasPrefix(".") { names.append(name) }
    }
    var total = 0
    for name in names {
      total += try withFile("\(folder)/\(name)", block: 64 << 10) { file, buffer in
        var status = stat()
        fstat(file, &status)
        var done = 0
        while done < Int(status.st_size) {
          let count = read(file, buffer, 64 << 10)
          guard count > 0 else { throw BenchmarkError("\(folder)/\(name): \(words)") }
          done += count
        }
        return done
      }
    }
    return total
  }

  /// Writes a file and waits until it is where it belongs. - Returns: seconds.
  static func write(_ path: String, size: Int, chunk: [UInt8]) throws -> Double {
    let start = ContinuousClock.now
    let file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
    guard file >= 0 else { throw BenchmarkError("\(path): \(words)") }
    var done = 0
    while done < size {
      let count = Glibc.write(file, chunk, min(chunk.count, size - done))
      guard count > 0 else { throw BenchmarkError("\(path) at \(done): \(words)") }
      done += count
    }
    guard fsync(file) == 0, close(file) == 0 else { throw BenchmarkError("\(path) at its end: \(words)") }
    return seconds(since: start)
  }

  // MARK: What they share

  private static let block = 1 << 20

  private static func withFile<R>(
    _ path: String, direct: Bool = false, block: Int = block,
    _ body: (Int32, UnsafeMutableRawPointer) throws -> R
  ) throws -> R {
    // Linux's O_DIRECT, which Glibc hides from Swift.
    let file = open(path, direct ? O_RDONLY | 0o40000 : O_RDONLY)
    guard file >= 0 else { throw BenchmarkError("\(path): \(words)") }
    defer { close(file) }
    let buffer = UnsafeMutableRawPointer.allocate(byteCount: block, alignment: 4096)
    defer { buffer.deallocate() }
    return try body(file, buffer)
  }

  private static var words: String { String(cString: strerror(errno)) }

  static func seconds(since start: ContinuousClock.Instant) -> Double { (ContinuousClock.now - start) / .seconds(1) }
}
