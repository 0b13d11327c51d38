import ApplicationLoad
import Glibc
import LinuxSystem

/// Fills the under file system: ENOSPC is what it must answer then, and nothing else; what was taken stays.
struct FillingWrites: LoadTask {
  let folder: String

  private static let bytes = [UInt8](repeating: 0x5A, count: 64 << 10)

  func run(_ answers: Answers, thread: Int, until isOver: EndFlag) {
    let path = "\(folder)/filling"
    while !isOver.isSet {
      let file = CInt(answers.call("create to fill") { Int(open(path, O_RDWR | O_CREAT | O_EXCL, 0o600)) })
      guard file >= 0 else { continue }
      // The kernel releases a closed file after close(2) has returned: the last one's space comes back a moment later.
      let limit = Deadline.after(.seconds(10))
      var size = 0
      while size < Self.bytes.count, !limit.hasPassed { size += fill(file, from: size, answers) }
      answers.check(size >= Self.bytes.count, "the space of a removed file did not come back")
      useFull(file, size, answers)
      answers.call("close of a full disk") { Int(close(file)) }
      answers.call("unlink on a full disk") { Int(unlink(path)) }
    }
  }

  /// - Returns: the bytes that were taken until there was no space left.
  private func fill(_ file: CInt, from start: Int, _ answers: Answers) -> Int {
    var size = start
    while true {
      var put = 0
      // The only call that may fail: with no other error than this.
      answers.call("filling pwrite") {
        put = pwrite(file, Self.bytes, Self.bytes.count, off_t(size))
        return put < 0 && errno == ENOSPC ? 0 : put
      }
      if put <= 0 { return size - start }
      size += put
    }
  }

  /// What is there stays readable, and more is refused.
  private func useFull(_ file: CInt, _ size: Int, _ answers: Answers) {
    let buffer = TransferBuffer(count: Self.bytes.count)
    for _ in 0..<100 where size >= buffer.count {
      let offset = Int.random(in: 0..<size / buffer.count) * buffer.count
      let got = answers.call("pread of a full disk") { pread(file, buffer.bytes, buffer.count, off_t(offset)) }
      if got >= 0 {
        let isRight = got == buffer.count && buffer.equals(Self.bytes, from: 0, count: got)
        answers.check(isRight, "a full disk at \(offset): \(got) bytes")
      }
      answers.call("pwrite to a full disk", expecting: ENOSPC) {
        pwrite(file, Self.bytes, Self.bytes.count, off_t(size + 8_192))
      }
      pause()
    }
  }
}
