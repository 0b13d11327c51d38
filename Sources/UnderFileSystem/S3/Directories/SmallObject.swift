import LinuxSystem
import ObjectStore
import Synchronization

/// Keeps the bytes of one small object for a thread that waits for them.
final class SmallObject: ObjectSink {
  private let bytes = Mutex<[UInt8]>([])
  private let end = Awaited<BucketError?>()

  func begin(_ tag: EntityTag) -> Bool { true }

  func receive(_ bytes: RawSpan) -> Bool {
    let copy = bytes.bytes
    self.bytes.withLock { $0 += copy }
    return true
  }

  func finish(_ error: BucketError?) { end.finish(.success(error)) }

  func wait() throws(BucketError) -> [UInt8] {
    // It never ends otherwise.
    if let error = try? end.wait() { throw error }
    return bytes.withLock { $0 }
  }
}
