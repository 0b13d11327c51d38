import Glibc
import LinuxSystem
import PageStore
import SystemPackage

/// What checked reads of warm pages cost, against pread(2) of a file with the same bytes on the same disk, in one run.
struct ReadBenchmark {
  static let size = 256 << 20
  let folder: String

  func run() throws {
    let directory = try Descriptor.open(folder, O_RDONLY | O_DIRECTORY)
    let store = PageStore(folder: directory, configuration: PageStore.Configuration(quota: 4 << 30))
    let version = FileVersion(underFileSystem: [1], path: [2], revision: .modified(3), size: Int64(Self.size))
    let file = store.open(version)
    let plain = try Descriptor.open("\(folder)/plain", O_RDWR | O_CREAT | O_TRUNC, mode: 0o600)
    defer { unlink("\(folder)/plain") }
    let content = (0..<(1 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 8) }
    let fillTime = PageBench.seconds {
      for page in 0..<Int64(Self.size >> 20) { fill(store, file, page, content) }
      store.drain(until: .never)
    }
    let writeTime = try PageBench.seconds {
      for page in 0..<(Self.size >> 20) {
        _ = try plain.write(content, range: 0..<content.count, at: Int64(page) << 20)
      }
    }
    report("fill, MiB/s", Double(Self.size >> 20) / fillTime, against: Double(Self.size >> 20) / writeTime)
    for size in [128 << 10, 1 << 20] { try sequential(file, plain, size) }
    try random(file, plain)
    print("hits \(store.counts.hits), misses \(store.counts.misses), bad \(store.counts.badPages)")
    store.drop(version)
    store.drain(until: .never)
  }

  private func fill(_ store: PageStore, _ file: CachedFile, _ page: Int64, _ content: [UInt8]) {
    while true {
      if case .ours(let fill) = file.beginFill(page: page) { return fill.commit(PageBytes(content)) }
      store.drain(until: .after(.milliseconds(5)))
    }
  }

  private func report(_ name: String, _ value: Double, against other: Double) {
    let (mine, theirs) = (PageBench.pad("\(Int(value))", 10), PageBench.pad("\(Int(other))", 10))
    print(PageBench.pad(name, 36) + mine + "system call " + theirs + "ratio " + PageBench.decimal(value / other))
  }

  private func sequential(_ file: CachedFile, _ plain: borrowing Descriptor, _ size: Int) throws {
    var bytes = [UInt8](repeating: 0, count: size)
    var (best, other) = (Double.infinity, Double.infinity)
    for _ in 0..<5 {
      var span = bytes.mutableSpan
      var raw = span.mutableBytes
      best = min(
        best,
        PageBench.seconds {
          for at in stride(from: 0, to: Self.size, by: size) { _ = file.read(into: &raw, at: Int64(at)) }
        })
      other = try min(
        other,
        PageBench.seconds {
          for at in stride(from: 0, to: Self.size, by: size) { _ = try plain.read(into: &raw, at: Int64(at)) }
        })
    }
    let total = Double(Self.size >> 20)
    report("sequential by \(size >> 10) KiB, MiB/s", total / best, against: total / other)
  }

  private func random(_ file: CachedFile, _ plain: borrowing Descriptor) throws {
    var generator = PolicyBenchmark.Generator(state: 7)
    let places = (0..<100_000).map { _ in Int64.random(in: 0..<Int64(Self.size >> 12), using: &generator) << 12 }
    var bytes = [UInt8](repeating: 0, count: 4096)
    var (best, other) = (Double.infinity, Double.infinity)
    for _ in 0..<5 {
      var span = bytes.mutableSpan
      var raw = span.mutableBytes
      best = min(best, PageBench.seconds { for place in places { _ = file.read(into: &raw, at: place) } })
      other = try min(other, PageBench.seconds { for place in places { _ = try plain.read(into: &raw, at: place) } })
    }
    report("random 4 KiB, reads/s", Double(places.count) / best, against: Double(places.count) / other)
  }
}

/// Many small files, cold and after a restart.
struct FileBenchmark {
  static let count = 10_000
  let folder: String

  private func version(_ number: Int) -> FileVersion {
    FileVersion(
      underFileSystem: Array("s3://bucket".utf8), path: Array("train/\(number).jpg".utf8), revision: .modified(1),
      size: 30_000)
  }

  func run() throws {
    let directory = try Descriptor.open(folder, O_RDONLY | O_DIRECTORY)
    var configuration = PageStore.Configuration(quota: 4 << 30)
    configuration.fillQueueBytes = 1 << 30
    let content = [UInt8](repeating: 7, count: 30_000)
    var store = PageStore(folder: directory, configuration: configuration)
    let cold = PageBench.seconds {
      for number in 0..<Self.count {
        let file = store.open(version(number))
        if case .ours(let fill) = file.beginFill(page: 0) { fill.commit(PageBytes(content)) }
      }
      store.drain(until: .never)
    }
    print("fill of a file of 30 KB: \(Int(cold / Double(Self.count) * 1e6)) µs, \(store.counts.fills) of \(Self.count)")
    let warm = PageBench.seconds { read(store) }
    print("open and read of one: \(Int(warm / Double(Self.count) * 1e6)) µs, \(store.counts.hits) hits")
    store.close(until: .never)
    for isOrdered in [true, false] {
      if !isOrdered { unlink("\(folder)/order-1") }
      let start = Deadline.now.nanoseconds
      store = PageStore(folder: directory, configuration: configuration)
      let opened = Deadline.now.nanoseconds
      store.waitForScan(until: .never)
      let scanned = Deadline.now.nanoseconds
      print(
        "start \(isOrdered ? "with" : "without") the order: \((opened - start) / 1000) µs until it serves, "
          + "\((scanned - start) / 1000) µs until all \(store.status.pages) pages are known")
    }
  }

  private func read(_ store: PageStore) {
    var bytes = [UInt8](repeating: 0, count: 32_768)
    for number in 0..<Self.count {
      var span = bytes.mutableSpan
      var raw = span.mutableBytes
      _ = store.open(version(number)).read(into: &raw, at: 0)
    }
  }
}
