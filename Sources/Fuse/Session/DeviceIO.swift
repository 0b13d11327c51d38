import CFuse
import Glibc
import Synchronization

/// The system calls that libfuse makes on the device, handed to `fuse_session_custom_io`. No splice: it halves the throughput.
enum DeviceIO {
  static let table = fuse_custom_io(
    writev: { descriptor, vectors, count, userData in
      if SessionContext.from(userData).isReplaying.load(ordering: .relaxed) {
        return byteCount(vectors, count)
      }
      return writev(descriptor, vectors, count)
    },
    read: { descriptor, buffer, size, _ in read(descriptor, buffer, size) },
    splice_receive: nil,
    splice_send: nil
  )

  private static func byteCount(_ vectors: UnsafeMutablePointer<iovec>?, _ count: CInt) -> Int {
    // SAFETY: libfuse passes `count` initialised vectors.
    UnsafeBufferPointer(start: vectors, count: Int(count)).reduce(0) { $0 + $1.iov_len }
  }
}
