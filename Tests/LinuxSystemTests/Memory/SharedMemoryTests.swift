import Glibc
import LinuxSystem
import SystemPackage
import TestSupport
import Testing

@Suite("Shared memory")
struct SharedMemoryTests {
  private func memfd(_ byteCount: Int = 8192) throws -> Descriptor {
    try Memfd.create(name: "test", byteCount: byteCount, sealing: [.shrink])
  }

  @Test("what one mapping writes, another of the same memfd reads")
  func twoMappings() throws {
    let memfd = try memfd()
    let (a, b) = (try SharedMemory(mapping: memfd), try SharedMemory(mapping: memfd, populate: true))
    a.store(UInt64(0x0123_4567_89AB_CDEF), at: 8)
    a.store(Int16(-2), at: 4095)
    #expect(b.load(UInt64.self, at: 8) == 0x0123_4567_89AB_CDEF)
    #expect(b.load(Int16.self, at: 4095) == -2)
    #expect(b.load(UInt8.self, at: 8) == 0xEF, "the machine is little-endian")
  }

  @Test("byte ranges are copied in, out and cleared")
  func ranges() throws {
    let memory = try SharedMemory(mapping: try memfd())
    memory.write([1, 2, 3, 4, 5], at: 100)
    #expect(memory.bytes(at: 99, count: 7) == [0, 1, 2, 3, 4, 5, 0])
    memory.clear(at: 101, count: 2)
    #expect(memory.bytes(at: 100, count: 5) == [1, 0, 0, 4, 5])
    let text: [UInt8] = [9, 8, 7]
    memory.write(text.span.bytes, at: 8189)
    var target = [UInt8](repeating: 0, count: 3)
    var span = target.mutableSpan
    var bytes = span.mutableBytes
    memory.read(into: &bytes, at: 8189)
    #expect(target == [9, 8, 7])
    memory.write([], at: 8192)
    #expect(memory.bytes(at: 8192, count: 0) == [])
  }

  @Test("a memfd that could shrink under the mapping is refused")
  func unsealed() throws {
    let memfd = try Memfd.create(name: "test", byteCount: 4096)
    #expect(throws: Errno.notPermitted) { _ = try SharedMemory(mapping: memfd) }
  }

  @Test("an empty memfd, a larger one than was reserved, and a file are refused")
  func refused() throws {
    let empty = try Memfd.create(name: "test", sealing: [.shrink])
    #expect(throws: Errno.invalidArgument) { _ = try SharedMemory(mapping: empty) }
    let large = try memfd(8192)
    #expect(throws: Errno.invalidArgument) { _ = try SharedMemory(mapping: large, capacity: 4096) }
    let file = try Descriptor.open("/dev/zero", O_RDWR)
    #expect(throws: Errno.invalidArgument) { _ = try SharedMemory(mapping: file) }
  }

  @Test("growth by one process is followed by another, up to the reserved range")
  func growth() throws {
    let memfd = try memfd(4096)
    let writer = try SharedMemory(mapping: memfd, capacity: 1 << 20)
    let reader = try SharedMemory(mapping: memfd, capacity: 16_384)
    try writer.grow(memfd, to: 8192)
    #expect(writer.byteCount == 8192)
    #expect(reader.byteCount == 4096)
    writer.store(UInt32(7), at: 8188)
    try reader.followGrowth(of: memfd)
    #expect(reader.load(UInt32.self, at: 8188) == 7)
    try writer.grow(memfd, to: 1 << 20)
    try reader.followGrowth(of: memfd)
    #expect(reader.byteCount == 16_384)
    #expect(throws: Errno.noMemory) { try writer.grow(memfd, to: 1 << 21) }
    try writer.grow(memfd, to: 4096)
    #expect(writer.byteCount == 1 << 20, "never shrinks")
  }

  @Test("a read-only mapping reads what others write")
  func readOnly() throws {
    let memfd = try memfd()
    let (writer, reader) = (try SharedMemory(mapping: memfd), try SharedMemory(mapping: memfd, writable: false))
    writer.store(UInt32(5), at: 0)
    #expect(reader.loadAcquiring32(at: 0) == 5)
  }

  @Test("bounds for untrusted offsets never overflow")
  func contains() throws {
    let memory = try SharedMemory(anonymousByteCount: 4096)
    #expect(memory.contains(offset: 0, count: 4096))
    #expect(memory.contains(offset: 4096, count: 0))
    for (offset, count) in [(0, 4097), (4097, 0), (-1, 1), (1, -1), (Int.max, Int.max), (Int.min, 1), (1, Int.max)] {
      #expect(!memory.contains(offset: offset, count: count))
    }
  }

  @Test("random loads and stores agree with an array", arguments: 0..<5 as Range<UInt64>)
  func model(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let memory = try SharedMemory(mapping: try memfd(1024))
    var model = [UInt8](repeating: 0, count: 1024)
    for _ in 0..<2000 {
      let offset = Int.random(in: 0..<1024, using: &random)
      let bytes = random.bytes(count: Int.random(in: 0...min(40, 1024 - offset), using: &random))
      memory.write(bytes, at: offset)
      model.replaceSubrange(offset..<(offset + bytes.count), with: bytes)
      let start = Int.random(in: 0...1016, using: &random)
      let expected = model[start..<(start + 8)].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
      #expect(memory.load(UInt64.self, at: start) == expected, "seed \(seed)")
    }
    #expect(memory.bytes(at: 0, count: 1024) == model, "seed \(seed)")
  }

  @Test("atomic words of both sizes load, store, add, exchange and compare")
  func atomics() throws {
    let memory = try SharedMemory(anonymousByteCount: 4096)
    memory.storeReleasing32(5, at: 4)
    #expect(memory.add32(3, at: 4) == 5)
    #expect(memory.exchange32(1, at: 4) == 8)
    #expect(memory.compareExchange32(expected: 2, desired: 9, at: 4) == (false, 1))
    #expect(memory.compareExchange32(expected: 1, desired: 9, at: 4) == (true, 1))
    #expect(memory.loadRelaxed32(at: 4) == 9)
    memory.storeRelaxed64(.max, at: 8)
    #expect(memory.add64(2, at: 8) == .max)
    #expect(memory.subtract64(2, at: 8) == 1)
    #expect(memory.exchange64(7, at: 8) == .max)
    #expect(memory.compareExchange64(expected: 7, desired: 8, at: 8) == (true, 7))
    #expect(memory.compareExchange64(expected: 7, desired: 8, at: 8) == (false, 8))
    #expect(memory.loadAcquiring64(at: 8) == 8)
    memory.storeRelaxed32(1, at: 0)
    memory.storeReleasing64(3, at: 16)
    #expect(memory.loadRelaxed64(at: 16) == 3)
  }

  @Test("four threads that add to one word lose nothing")
  func contention() async throws {
    let memory = try SharedMemory(anonymousByteCount: 4096)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<4 {
        group.addTask {
          try await OwnThread.run { for _ in 0..<20_000 { memory.add64(1, at: 64) } }
        }
      }
      try await group.waitForAll()
    }
    #expect(memory.loadAcquiring64(at: 64) == 80_000)
  }

  @Test("the bytes of a span are copied whole, none for an empty one")
  func spanBytes() {
    let text: [UInt8] = [1, 2, 3]
    #expect(text.span.bytes.bytes == text)
    #expect([UInt8]().span.bytes.bytes == [])
  }

  @Test("an access out of bounds traps")
  func trap() async {
    await #expect(processExitsWith: .failure) {
      let memory = try SharedMemory(anonymousByteCount: 4096)
      _ = memory.load(UInt64.self, at: 4089)
    }
  }

  @Test("an atomic access that is not aligned traps")
  func alignment() async {
    await #expect(processExitsWith: .failure) {
      let memory = try SharedMemory(anonymousByteCount: 4096)
      _ = memory.loadAcquiring64(at: 4)
    }
  }
}
