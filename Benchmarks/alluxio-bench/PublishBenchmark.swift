import BenchmarkCalls
import Foundation

/// Publish cold (the worker starts), warm (it runs already), unpublish, and the memory of many volumes.
struct PublishBenchmark {
  let plugin: Plugin
  let volumes: Int
  private var calls: CSICalls { CSICalls(client: plugin.client) }
  private var path: String { "file://\(plugin.underFileSystem)" }

  func run(into report: inout Report) async throws {
    // The node's very first, before anything of the plugin has been used.
    let first = try await publish("first", "first")
    try await calls.unpublish("first", at: plugin.target("first"))
    let alone = try await latencies(into: &report)
    var published = 0
    for count in [1, 10, volumes] where count > published {
      var samples = Samples()
      for index in published..<count { samples.add(try await publish("bench-\(index)", "pod-\(index)")) }
      published = count
      memory(volumes: count, into: &report)
    }
    // The last ones, when the node is full, against publishes on an empty node.
    var late = Samples()
    for index in 0..<10 {
      let id = "late-\(index)"
      late.add(try await publish(id, id))
      try await calls.unpublish(id, at: plugin.target(id))
    }
    report.addLimit(
      "publish", "cold p50 beside \(volumes) volumes, against the node's first",
      late.median / max(Double(first / .microseconds(1)), 1), "×", ceiling: 1)
    report.add(
      "publish", "cold p50 beside \(volumes) volumes, against p50 beside none", late.median / max(alone, 1), "×")
    for index in 0..<published { try await calls.unpublish("bench-\(index)", at: plugin.target("pod-\(index)")) }
  }

  /// - Returns: the median of a cold publish, in microseconds.
  private func latencies(into report: inout Report) async throws -> Double {
    var cold = Samples()
    var warm = Samples()
    var unpublish = Samples()
    for index in 0..<30 {
      let id = "latency-\(index)"
      cold.add(try await publish(id, "\(id)-a"))
      warm.add(try await publish(id, "\(id)-b"))
      for pod in ["\(id)-b", "\(id)-a"] {
        let start = ContinuousClock.now
        try await calls.unpublish(id, at: plugin.target(pod))
        if pod == "\(id)-a" { unpublish.add(ContinuousClock.now - start) }
      }
    }
    report.addLimit("publish", "cold p50", cold.median / 1000, "ms", ceiling: 60)
    report.addLimit("publish", "warm p50", warm.median / 1000, "ms", ceiling: 5)
    report.addLimit("publish", "unpublish (last target) p50", unpublish.median / 1000, "ms", ceiling: 20)
    return cold.median
  }

  private func publish(_ id: String, _ pod: String) async throws -> Duration {
    // The kubelet makes the folder above the target.
    let target = plugin.target(pod)
    let parent = String(target.prefix(upTo: target.lastIndex(of: "/") ?? target.endIndex))
    try FileManager.default.createDirectory(atPath: parent, withIntermediateDirectories: true)
    let start = ContinuousClock.now
    try await calls.publish(id, path: path, at: target)
    return ContinuousClock.now - start
  }

  private func memory(volumes: Int, into report: inout Report) {
    let (mounter, parent, workers) = plugin.mounterProcesses()
    let megabyte = 1_000_000.0
    var total = 0.0
    let suffix = volumes == 1 ? "1 volume" : "\(volumes) volumes"
    func add(_ name: String, _ memory: ProcessMemory?, ceiling: Double?) {
      guard let memory else { return }
      report.addLimit(
        "memory", "\(name) resident, \(suffix)", memory.resident / megabyte, "MB", ceiling: volumes == 1 ? ceiling : nil
      )
      report.add("memory", "\(name) anonymous, \(suffix)", memory.anonymous / megabyte, "MB")
    }
    let node = ProcessMemory(pid: plugin.process.processIdentifier)
    let keeper = mounter.flatMap(ProcessMemory.init(pid:))
    let workerMemory = workers.compactMap(ProcessMemory.init(pid:))
    add("node plugin", node, ceiling: 20)
    let holder = parent.flatMap(ProcessMemory.init(pid:))
    add("mounter", keeper, ceiling: 8)
    add("mounter's parent", holder, ceiling: nil)
    add("worker (largest)", workerMemory.max { $0.resident < $1.resident }, ceiling: 14)
    total = ([node, keeper, holder].compactMap { $0 } + workerMemory).reduce(0) { $0 + $1.resident }
    report.addLimit(
      "memory", "all processes resident, \(suffix)", total / megabyte, "MB", ceiling: volumes >= 100 ? 1500 : nil)
  }
}
