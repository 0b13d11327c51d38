import Glibc
import LinuxSystem
import PageSamples
import PageStore
import SystemPackage

/// Uses a page store until it is killed, by itself or by the tests.
///
///     page-writer FOLDER fill STEP      fills samples; kill -9 of itself when the store comes to the step
///     page-writer FOLDER evict STEP     the same, in a store that must evict
///     page-writer FOLDER whole STEP     fills one sample and has it kept whole
///     page-writer FOLDER storm SEED shared|own   reads and fills at random; exit 3 at a wrong byte
///     page-writer FOLDER hold NUMBER    begins a fill of page 0 of a sample, says so, and ends with its input
@main
struct PageWriter {
  static let pageSize = 64 << 10

  static func main() throws {
    let arguments = CommandLine.arguments
    let folder = try Descriptor.open(arguments[1], O_RDONLY | O_DIRECTORY)
    switch arguments[2] {
    case "fill": try fill(folder, step: arguments[3], quota: 1 << 30)
    case "evict": try fill(folder, step: arguments[3], quota: 200 << 10)
    case "whole": try whole(folder, step: arguments[3])
    case "storm": try storm(folder, seed: UInt64(arguments[3]) ?? 0, isShared: arguments[4] == "shared")
    case "hold": try hold(folder, number: Int(arguments[3]) ?? 0)
    default: exit(64)
    }
  }

  private static func open(
    _ folder: borrowing Descriptor, quota: Int64, isShared: Bool = false, faults: DiskFaults = DiskFaults()
  ) -> PageStore {
    var configuration = PageStore.Configuration(quota: quota)
    configuration.pageSize = pageSize
    configuration.minimumFree = 0
    configuration.isShared = isShared
    return PageStore(folder: folder, configuration: configuration, faults: faults)
  }

  private static func fill(_ folder: borrowing Descriptor, step: String, quota: Int64) throws {
    let faults = DiskFaults()
    #if FAULT_INJECTION
      faults.set { reached in if reached.rawValue == step { kill(getpid(), SIGKILL) } }
    #endif
    let store = open(folder, quota: quota, faults: faults)
    for number in 0..<8 {
      let sample = PageSample(number, size: number % 2 == 0 ? 300_001 : 20_000)
      if !PageReader(sample, in: store, pageSize: pageSize).readsRight() { exit(3) }
      store.drain(until: .never)
    }
    store.close(until: .never)
  }

  private static func whole(_ folder: borrowing Descriptor, step: String) throws {
    let faults = DiskFaults()
    #if FAULT_INJECTION
      faults.set { reached in if reached.rawValue == step { kill(getpid(), SIGKILL) } }
    #endif
    var configuration = PageStore.Configuration(quota: 1 << 30)
    configuration.pageSize = pageSize
    configuration.minimumFree = 0
    configuration.keepsWhole = true
    let store = PageStore(folder: folder, configuration: configuration, faults: faults)
    let sample = PageSample(0, size: 300_001)
    if !PageReader(sample, in: store, pageSize: pageSize).readsRight() { exit(3) }
    store.drain(until: .never)
    store.keepWhole(sample.version)
    store.drainWhole(until: .never)
  }

  private static func storm(_ folder: borrowing Descriptor, seed: UInt64, isShared: Bool) throws {
    let store = open(folder, quota: 1 << 20, isShared: isShared)
    var generator = SystemRandomNumberGenerator()
    var state = seed
    for round in 0... {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      let number = Int(state >> 33) % 12
      let sample = PageSample(number, size: number % 3 == 0 ? 400_123 : 30_000)
      let reader = PageReader(sample, in: store, pageSize: pageSize)
      let offset = Int64.random(in: 0..<sample.size, using: &generator)
      let count = Int.random(in: 1...150_000, using: &generator)
      if reader.read(offset, count).bytes != sample.bytes(offset..<offset + Int64(count)) { exit(3) }
      if round % 16 == 0 { _ = write(1, ".", 1) }
      if round % 64 == 63 { store.close(until: .never) }
    }
  }

  private static func hold(_ folder: borrowing Descriptor, number: Int) throws {
    let store = open(folder, quota: 1 << 30, isShared: true)
    let file = store.open(PageSample(number, size: 300_001).version)
    guard case .ours(let fill) = file.beginFill(page: 0) else { exit(4) }
    _ = write(1, "held", 4)
    var byte: UInt8 = 0
    _ = read(0, &byte, 1)
    fill.abandon()
  }
}
