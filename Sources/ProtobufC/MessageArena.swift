/// Memory of one outgoing message tree, freed as one when the last builder over it is gone.
///
/// Not for use by several threads at once: a tree is built and packed in one place.
final class MessageArena {
  /// A reply fits into the first block; more come only for lists.
  private static let blockSize = 1024
  /// Suits every type of protobuf-c's structures.
  private static let alignment = 16

  private var blocks: [UnsafeMutableRawPointer] = []
  private var next: UnsafeMutableRawPointer?
  private var left = 0

  deinit {
    for block in blocks { block.deallocate() }
  }

  /// Uninitialized memory for `count` values of a trivial type.
  func allocate<Value>(_ type: Value.Type, count: Int) -> UnsafeMutablePointer<Value> {
    let wanted = max(count, 1) * MemoryLayout<Value>.stride
    let size = (wanted + Self.alignment - 1) / Self.alignment * Self.alignment
    if size > left { addBlock(atLeast: size) }
    let start = next!
    next = start + size
    left -= size
    return start.bindMemory(to: Value.self, capacity: max(count, 1))
  }

  /// A NUL-terminated copy.
  func string(_ value: String) -> UnsafeMutablePointer<CChar> {
    var value = value
    return value.withUTF8 { utf8 in
      let copy = allocate(CChar.self, count: utf8.count + 1)
      UnsafeMutableRawBufferPointer(start: copy, count: utf8.count).copyBytes(from: utf8)
      copy[utf8.count] = 0
      return copy
    }
  }

  /// A copy of trivial values.
  func array<Value>(_ values: [Value]) -> UnsafeMutablePointer<Value> {
    let copy = allocate(Value.self, count: values.count)
    copy.initialize(from: values, count: values.count)
    return copy
  }

  private func addBlock(atLeast size: Int) {
    left = max(size, Self.blockSize)
    let block = UnsafeMutableRawPointer.allocate(byteCount: left, alignment: Self.alignment)
    blocks.append(block)
    next = block
  }
}
