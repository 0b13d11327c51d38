import BenchmarkCalls
import Foundation
import LinuxSystem
import Synchronization

/// What a killed worker costs those who read, what its state costs in memory, and what publishing costs with that state.
struct RecoveryBenchmark {
  let plugin: Plugin
  private let kills = 100
  private let nodes = 50_000

  func run(into report: inout Report) async throws {
    let folder = "\(plugin.underFileSystem)/recovery"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    _ = FileManager.default.createFile(atPath: "\(folder)/file", contents: Data(count: 1 << 20))
    let target = plugin.target("recovery")
    try FileManager.default.createDirectory(
      atPath: (target as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    let calls = CSICalls(client: plugin.client)
    // The kernel would read the file itself, without a worker and so without a pause.
    try await calls.publish(
      "recovery", path: "file://\(folder)", at: target, attributes: ["passthrough": "false"])
    do {
      try pauses(target, &report)
      try memory(folder, target, &report)
      try answers(target, &report)
      try await publishing(folder, &report)
    } catch {
      try? await calls.unpublish("recovery", at: target)
      throw error
    }
    try await calls.unpublish("recovery", at: target)
  }

  // MARK: Pauses

  /// One reader asks all the time, another the moment a worker is killed.
  private func pauses(_ target: String, _ report: inout Report) throws {
    let reader = try Reader("\(target)/file")
    let asked = try Reader("\(target)/file")
    var answers = Samples()
    var pauses = Samples()
    let done = try EventFD()
    let load = Load(reader: reader)
    try DetachedThread.start(name: "reader", stackSize: 512 << 10) {
      load.run()
      done.signal()
    }
    for _ in 0..<kills {
      let worker = try worker()
      _ = load.takeLongest()
      let start = ContinuousClock.now
      kill(worker, SIGKILL)
      try asked.read()
      answers.add(ContinuousClock.now - start)
      usleep(250_000)
      pauses.add(.nanoseconds(Int64(load.takeLongest())))
    }
    load.stop()
    _ = try done.descriptor.isReadable(within: 30_000)
    if load.failed { throw BenchmarkError("a read failed while workers were killed") }
    report.addLimit("recovery", "pause of a reader per kill p50", pauses.median / 1000, "ms", ceiling: 20)
    report.addLimit("recovery", "pause of a reader per kill p99", pauses.percentile(0.99) / 1000, "ms", ceiling: 100)
    report.add("recovery", "pause of a reader per kill max", pauses.percentile(1) / 1000, "ms")
    report.add("recovery", "kill to first answer p50", answers.median / 1000, "ms")
    report.add("recovery", "kill to first answer p99", answers.percentile(0.99) / 1000, "ms")
  }

  /// The same where the next worker finds many nodes in the shared state.
  private func answers(_ target: String, _ report: inout Report) throws {
    let reader = try Reader("\(target)/file")
    var answers = Samples()
    for _ in 0..<kills / 4 {
      kill(try worker(), SIGKILL)
      let start = ContinuousClock.now
      try reader.read()
      answers.add(ContinuousClock.now - start)
      usleep(250_000)
    }
    report.add("recovery", "kill to first answer p50, \(nodes) nodes", answers.median / 1000, "ms")
  }

  /// Reads without the page cache, so that each read asks the worker.
  private final class Reader: @unchecked Sendable {
    // SAFETY (Sendable): used by one thread at a time.
    private let file: SharedDescriptor
    private let buffer = UnsafeMutableRawPointer.allocate(byteCount: 4096, alignment: 4096)

    init(_ path: String) throws {
      // Linux's O_DIRECT, which Glibc hides from Swift.
      file = SharedDescriptor(try Descriptor.open(path, O_RDONLY | 0o40000))
    }

    deinit { buffer.deallocate() }

    func read() throws {
      let offset = 4096 * Int.random(in: 0..<256)
      guard pread(file.rawValue, buffer, 4096, off_t(offset)) == 4096 else {
        throw BenchmarkError("a read was answered with errno \(errno)")
      }
    }
  }

  private final class Load: Sendable {
    private let reader: Reader
    private let longest = Atomic<UInt64>(0)
    private let isOver = Atomic(false)
    private let hasFailed = Atomic(false)

    init(reader: Reader) { self.reader = reader }

    func run() {
      while !isOver.load(ordering: .relaxed) {
        let start = Deadline.now.nanoseconds
        do { try reader.read() } catch { hasFailed.store(true, ordering: .relaxed) }
        longest.max(Deadline.now.nanoseconds - start, ordering: .relaxed)
        usleep(500)
      }
    }

    func takeLongest() -> UInt64 { longest.exchange(0, ordering: .relaxed) }
    func stop() { isOver.store(true, ordering: .relaxed) }
    var failed: Bool { hasFailed.load(ordering: .relaxed) }
  }

  /// The one that has the volume: another may wait for one.
  private func worker() throws -> Int32 {
    let limit = ContinuousClock.now + .seconds(20)
    while ContinuousClock.now < limit {
      for pid in plugin.mounterProcesses().workers {
        let line = (try? String(contentsOfFile: "/proc/\(pid)/cmdline", encoding: .utf8)) ?? ""
        if line.split(separator: "\0").dropFirst(2).first == "recovery" { return pid }
      }
    }
    throw BenchmarkError("no worker serves")
  }

  // MARK: Publishing

  /// A second target of the volume, whose state is full of nodes and whose workers have died, against one of a fresh volume.
  private func publishing(_ folder: String, _ report: inout Report) async throws {
    let calls = CSICalls(client: plugin.client)
    let first = plugin.target("fresh")
    try FileManager.default.createDirectory(
      atPath: (first as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    try await calls.publish("fresh", path: "file://\(folder)", at: first, attributes: ["passthrough": "false"])
    var times: [String: [Double]] = [:]
    for round in 0..<60 {
      for name in round % 2 == 0 ? ["recovery", "fresh"] : ["fresh", "recovery"] {
        let target = plugin.target("\(name)-second")
        try FileManager.default.createDirectory(
          atPath: (target as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        let start = ContinuousClock.now
        try await calls.publish(name, path: "file://\(folder)", at: target, attributes: ["passthrough": "false"])
        times[name, default: []].append((ContinuousClock.now - start) / .milliseconds(1))
        try await calls.unpublish(name, at: target)
      }
    }
    try await calls.unpublish("fresh", at: first)
    let (recovered, fresh) = (times["recovery"] ?? [], times["fresh"] ?? [])
    report.add(
      "recovery", "warm publish p50, \(nodes) nodes, recovered", median(recovered), "ms",
      ratio: median(zip(recovered, fresh).map { $0 / max($1, 1e-6) }), reference: "fresh volume")
  }

  // MARK: Memory

  private func memory(_ folder: String, _ target: String, _ report: inout Report) throws {
    let worker = try worker()
    let empty = try stateBytes(worker)
    let before = ProcessMemory(pid: worker)?.anonymous ?? 0
    report.add("recovery", "shared state of an idle volume", empty / 1e6, "MB")
    let names = (0..<nodes).map { "\(folder)/node-\($0)" }
    for name in names { _ = FileManager.default.createFile(atPath: name, contents: nil) }
    defer { for name in names { unlink(name) } }
    var status = stat()
    for number in 0..<nodes where lstat("\(target)/node-\(number)", &status) != 0 {
      throw BenchmarkError("node-\(number) cannot be looked up: errno \(errno)")
    }
    let scale = 1e6 / Double(nodes) / 1e6
    report.add("recovery", "shared state per million nodes", (try stateBytes(worker) - empty) * scale, "MB")
    let anonymous = (ProcessMemory(pid: worker)?.anonymous ?? 0) - before
    report.add("recovery", "worker's own memory per million nodes", anonymous * scale, "MB")
  }

  /// Bytes of the volume's memfd that exist, by the descriptor of its mounter.
  private func stateBytes(_ worker: Int32) throws -> Double {
    guard let mounter = plugin.mounterProcesses().mounter else { throw BenchmarkError("no mounter serves") }
    for name in try FileManager.default.contentsOfDirectory(atPath: "/proc/\(mounter)/fd") {
      let path = "/proc/\(mounter)/fd/\(name)"
      let link = try? FileManager.default.destinationOfSymbolicLink(atPath: path)
      guard link?.hasPrefix("/memfd:") == true else { continue }
      var status = stat()
      if stat(path, &status) == 0, status.st_size > 100 << 20 { return Double(status.st_blocks) * 512 }
    }
    throw BenchmarkError("the mounter has no shared state")
  }
}
