import PageStore

/// Hit rates of eviction policies on traces made here, for caches of a tenth, a quarter and a half of the data.
enum PolicyBenchmark {
  struct Trace {
    var name: String
    var pages: Int
    var reads: [UInt64]
  }

  /// SplitMix64: the same traces in every run.
  struct Generator: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
      state &+= 0x9E37_79B9_7F4A_7C15
      var value = state
      value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
      value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
      return value ^ (value >> 31)
    }
  }

  static let pages = 10_000

  static func traces() -> [Trace] {
    var generator = Generator(state: 1)
    let all = Array(UInt64(0)..<UInt64(pages))
    let epochs = (0..<8).flatMap { _ in all.shuffled(using: &generator) }
    let loop = (0..<8).flatMap { _ in all }
    let zipf = zipf(80_000, &generator)
    // A scan of new pages, as large as all others together, in the middle of zipf.
    let scan = Array(UInt64(1 << 40)..<UInt64(1 << 40) + UInt64(pages))
    let scanned = Array(zipf[..<40_000]) + scan + Array(zipf[40_000...])
    // Training reads its epochs while others look at what is popular and somebody copies once what nobody reads again.
    var mixed: [UInt64] = []
    for (index, page) in epochs.enumerated() {
      mixed.append(page)
      mixed.append(zipf[index % zipf.count] + 1 << 20)
      if index % 4 == 0 { mixed.append(1 << 41 + UInt64(index)) }
    }
    return [
      Trace(name: "epochs of shuffled reads", pages: pages, reads: epochs),
      Trace(name: "the same order again and again", pages: pages, reads: loop),
      Trace(name: "zipf 0.99", pages: pages, reads: zipf),
      Trace(name: "zipf with a scan in it", pages: pages, reads: scanned),
      Trace(name: "epochs, zipf and read-once mixed", pages: 2 * pages, reads: mixed),
    ]
  }

  private static func zipf(_ count: Int, _ generator: inout Generator) -> [UInt64] {
    var sums: [Double] = []
    var sum = 0.0
    for rank in 1...pages {
      // rank^-0.99 within a percent, without a mathematics library.
      sum += 1 / Double(rank)
      sums.append(sum)
    }
    let names = Array(UInt64(0)..<UInt64(pages)).shuffled(using: &generator)
    return (0..<count).map { _ in
      let wanted = Double.random(in: 0..<sum, using: &generator)
      var (low, high) = (0, pages - 1)
      while low < high {
        let middle = (low + high) / 2
        if sums[middle] < wanted { low = middle + 1 } else { high = middle }
      }
      return names[low]
    }
  }

  static func hitRate(_ trace: Trace, capacity: Int, _ policy: some EvictionPolicy<Void>) -> Double {
    var policy = policy
    var hits = 0
    for page in trace.reads {
      if policy.contains(page) {
        hits += 1
        policy.touch(page)
        continue
      }
      while policy.count >= capacity, policy.takeVictim() != nil {}
      policy.insert(page, (), cost: 1)
    }
    return Double(hits) / Double(trace.reads.count)
  }

  static func run() {
    print(PageBench.pad("hit rate", 36) + "cache   LRU   CLOCK S3-FIFO S3-FIFO, two reads")
    for trace in traces() {
      for part in [10, 4, 2] {
        let capacity = trace.pages / part
        let rates = [
          hitRate(trace, capacity: capacity, LRU<Void>()), hitRate(trace, capacity: capacity, SecondChance<Void>()),
          hitRate(trace, capacity: capacity, S3FIFO<Void>()),
          hitRate(trace, capacity: capacity, S3FIFO<Void>(promotion: 2)),
        ]
        let cells = rates.map { PageBench.pad(PageBench.decimal($0), 8) }.joined()
        print(PageBench.pad(trace.name, 36) + PageBench.pad("1/\(part)", 6) + cells)
      }
    }
  }
}
