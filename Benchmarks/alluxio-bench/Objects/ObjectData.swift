import Foundation

/// What the servers serve: files in folders that are buckets.
struct ObjectData {
  let folder: String

  static let large = "large"
  static let largeFile = "gigabyte"
  static let largeSize = 1 << 30
  /// Beside the large file, one for each measurement of a first byte.
  static let firstFiles = (0..<40).map { "first-\($0)" }
  static let small = "small"
  static let smallFolders = 100
  static let smallFilesEach = 100
  static let smallSize = 10_000
  /// Flat buckets, by their number of keys.
  static let listings = [10_000, 100_000]
  static func listing(_ count: Int) -> String { "list-\(count)" }
  static func listedName(_ number: Int) -> String { String(format: "object-%06d.bin", number) }
  static let uploads = "uploads"

  /// Makes all of them.
  init(in folder: String) throws {
    self.folder = folder
    try makeLarge()
    for directory in 0..<Self.smallFolders {
      let path = "\(folder)/\(Self.small)/\(Self.smallFolder(directory))"
      try Self.makeFolder(path)
      for file in 0..<Self.smallFilesEach {
        try Self.write(Self.random(Self.smallSize), times: 1, to: "\(path)/\(Self.smallFile(file))")
      }
    }
    for count in Self.listings {
      let path = "\(folder)/\(Self.listing(count))"
      try Self.makeFolder(path)
      for number in 0..<count { try Self.write([1], times: 1, to: "\(path)/\(Self.listedName(number))") }
    }
    try Self.makeFolder("\(folder)/\(Self.uploads)")
  }

  static func smallFolder(_ number: Int) -> String { String(format: "folder-%02d", number) }
  static func smallFile(_ number: Int) -> String { String(format: "sample-%02d.jpg", number) }

  private func makeLarge() throws {
    try Self.makeFolder("\(folder)/\(Self.large)")
    let chunk = Self.random(16 << 20)
    let path = "\(folder)/\(Self.large)/\(Self.largeFile)"
    try Self.write(chunk, times: Self.largeSize / chunk.count, to: path)
    for name in Self.firstFiles {
      try Self.write(Array(chunk[..<(4 << 20)]), times: 1, to: "\(folder)/\(Self.large)/\(name)")
    }
  }

  static func makeFolder(_ path: String) throws {
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  /// Bytes that nothing on the way can make smaller.
  static func random(_ count: Int) -> [UInt8] {
    var generator = SystemRandomNumberGenerator()
    var words = [UInt64](repeating: 0, count: (count + 7) / 8)
    for index in words.indices { words[index] = generator.next() }
    return words.withUnsafeBytes { Array($0.prefix(count)) }
  }

  private static func write(_ bytes: [UInt8], times: Int, to path: String) throws {
    let number = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
    guard number >= 0 else { throw BenchmarkError("cannot make \(path)") }
    defer { close(number) }
    for _ in 0..<times where Glibc.write(number, bytes, bytes.count) != bytes.count {
      throw BenchmarkError("cannot write \(path)")
    }
  }
}

/// Answers to ListObjectsV2 as files, for a server that only hands out files: `BUCKET/=PREFIX/PAGE`, the prefix as it is
/// encoded in a query.
struct StaticListings {
  let folder: String
  private let data: ObjectData

  init(of data: ObjectData, in folder: String) throws {
    self.folder = folder
    self.data = data
    try Data(Self.page([], [], prefix: "", next: nil).utf8).write(to: URL(fileURLWithPath: "\(folder)/nothing"))
    for count in ObjectData.listings {
      try write(ObjectData.listing(count), "", (0..<count).map(ObjectData.listedName))
    }
    let large = ([ObjectData.largeFile] + ObjectData.firstFiles).sorted()
    try write(ObjectData.large, "", large)
    for name in large { try write(ObjectData.large, name, [name]) }
    try write(ObjectData.small, "", [], folders: (0..<ObjectData.smallFolders).map { "\(ObjectData.smallFolder($0))/" })
    for number in 0..<ObjectData.smallFolders {
      let folder = ObjectData.smallFolder(number)
      try write(ObjectData.small, folder, [], folders: ["\(folder)/"])
      let names = (0..<ObjectData.smallFilesEach).map { "\(folder)/\(ObjectData.smallFile($0))" }
      try write(ObjectData.small, "\(folder)/", names)
      for name in names { try write(ObjectData.small, name, [name]) }
    }
  }

  private func write(_ bucket: String, _ prefix: String, _ names: [String], folders: [String] = []) throws {
    let path = "\(folder)/\(bucket)/=\(prefix.replacingOccurrences(of: "/", with: "%2F"))"
    try ObjectData.makeFolder(path)
    let entries = try names.map { try Self.entry($0, "\(data.folder)/\(bucket)/\($0)") }
    let pages = max(1, (entries.count + 999) / 1000)
    for page in 0..<pages {
      let part = entries[min(entries.count, page * 1000)..<min(entries.count, (page + 1) * 1000)]
      let text = Self.page(part, folders, prefix: prefix, next: page + 1 < pages ? page + 1 : nil)
      try Data(text.utf8).write(to: URL(fileURLWithPath: "\(path)/\(page)"))
    }
  }

  /// With the ETag that nginx makes of a file.
  private static func entry(_ key: String, _ path: String) throws -> String {
    var status = stat()
    guard stat(path, &status) == 0 else { throw BenchmarkError("\(path) is not there") }
    let tag = "\(String(status.st_mtim.tv_sec, radix: 16))-\(String(status.st_size, radix: 16))"
    return """
      <Contents><Key>\(key)</Key><LastModified>2026-11-21T00:00:00.000Z</LastModified><ETag>&quot;\(tag)&quot;</ETag>\
      <Size>\(status.st_size)</Size><StorageClass>STANDARD</StorageClass></Contents>
      """
  }

  private static func page(
    _ entries: some Sequence<String>, _ folders: [String], prefix: String, next: Int?
  ) -> String {
    """
    <?xml version="1.0" encoding="UTF-8"?>
    <ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>bench</Name><Prefix>\(prefix)</Prefix>\
    <MaxKeys>1000</MaxKeys><Delimiter>/</Delimiter><IsTruncated>\(next != nil)</IsTruncated>\
    \(next.map { "<NextContinuationToken>\($0)</NextContinuationToken>" } ?? "")\(entries.joined())\
    \(folders.map { "<CommonPrefixes><Prefix>\($0)</Prefix></CommonPrefixes>" }.joined())</ListBucketResult>
    """
  }
}
