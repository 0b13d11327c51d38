import Glibc
import Synchronization

/// Mistakes made on purpose, for `scripts/sanitizers.sh`: a sanitizer that lets one of them pass proves nothing by
/// finding nothing elsewhere. Exits with 0 when nobody notices.
enum Canary {
  /// Reads memory that has been freed. AddressSanitizer.
  static func useAfterFree() {
    let memory = UnsafeMutablePointer<Int>.allocate(capacity: 4)
    memory.initialize(repeating: 7, count: 4)
    memory.deallocate()
    print(memory[opaque(2)])
  }

  /// Reads past the end of an allocation of C. AddressSanitizer.
  static func overflow() {
    guard let memory = calloc(4, MemoryLayout<Int>.stride)?.bindMemory(to: Int.self, capacity: 4) else { return }
    print(memory[opaque(4)])
    free(memory)
  }

  /// Two threads count in the same memory without a lock. ThreadSanitizer.
  static func race() {
    let counter = UnsafeMutablePointer<Int>.allocate(capacity: 1)
    counter.initialize(to: 0)
    var threads = [pthread_t(), pthread_t()]
    for index in threads.indices {
      pthread_create(
        &threads[index], nil,
        { argument in
          let counter = argument!.assumingMemoryBound(to: Int.self)
          for _ in 0..<10_000 { counter.pointee += 1 }
          return nil
        }, counter)
    }
    for thread in threads { pthread_join(thread, nil) }
    print(counter.pointee)
    counter.deallocate()
  }

  private static let guarded = Mutex(0)

  /// Two threads count under a lock that they contend for: no mistake, and nothing to report. ThreadSanitizer.
  static func mutex() {
    var threads = [pthread_t(), pthread_t()]
    for index in threads.indices {
      pthread_create(
        &threads[index], nil,
        { _ in
          for _ in 0..<100_000 { Canary.guarded.withLock { $0 += 1 } }
          return nil
        }, nil)
    }
    for thread in threads { pthread_join(thread, nil) }
    print(guarded.withLock { $0 })
  }

  /// A number that the compiler does not know, so that it cannot see the mistake.
  private static func opaque(_ value: Int) -> Int { Atomic(value).load(ordering: .relaxed) }
}

switch CommandLine.arguments.dropFirst().first {
case "use-after-free": Canary.useAfterFree()
case "overflow": Canary.overflow()
case "race": Canary.race()
case "mutex": Canary.mutex()
default:
  print("usage: sanitizer-canary use-after-free|overflow|race|mutex")
  exit(64)
}
