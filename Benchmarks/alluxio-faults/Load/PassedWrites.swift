import ApplicationLoad
import Glibc
import LinuxSystem

/// Works on a file that was there and is large, as the kernel reads and writes by itself where it can: opens it again and
/// again, often while it is open, so that opens of one file meet with workers that did not see the first.
struct PassedWrites: LoadTask {
  let folder: String

  static let name = "passed"
  static let size = 1 << 20

  func run(_ answers: Answers, thread: Int, until isOver: EndFlag) {
    var model = Array(SharedContent.bytes.prefix(Self.size))
    let buffer = TransferBuffer(count: 64 << 10)
    var kept = open(answers, O_RDWR)
    while !isOver.isSet {
      let file = open(answers, Bool.random() ? O_RDWR : O_RDWR | O_APPEND)
      for _ in 0..<30 where !isOver.isSet {
        write(Bool.random() ? file : kept, &model, answers)
        compare(Bool.random() ? file : kept, model, buffer, answers)
        pause()
      }
      if Bool.random() { answers.call("fsync of a passed file") { Int(fsync(file)) } }
      // Now and then nobody has it open.
      if Int.random(in: 0..<4) == 0 {
        answers.call("close of a passed file") { Int(close(kept)) }
        answers.call("last close of a passed file") { Int(close(file)) }
        kept = open(answers, O_RDWR)
      } else {
        answers.call("close of a passed file") { Int(close(kept)) }
        kept = file
      }
    }
    answers.call("close of a passed file") { Int(close(kept)) }
  }

  private func open(_ answers: Answers, _ flags: CInt) -> CInt {
    CInt(answers.call("open to pass") { Int(Glibc.open("\(folder)/\(Self.name)", flags)) })
  }

  private func write(_ file: CInt, _ model: inout [UInt8], _ answers: Answers) {
    // With O_APPEND pwrite(2) appends, whatever its offset.
    let appends = fcntl(file, F_GETFL) & O_APPEND != 0
    let count = Int.random(in: 1...8 << 10)
    if appends, model.count + count > 2 * Self.size { return cut(file, &model, answers) }
    let offset = appends ? model.count : Int.random(in: 0...Self.size - count)
    let bytes = [UInt8](repeating: .random(in: 1...255), count: count)
    let put = answers.call("pwrite to a passed file") { pwrite(file, bytes, count, off_t(offset)) }
    answers.check(put == count, "\(put) of \(count) bytes were written to a passed file")
    if appends { model += bytes } else { model.replaceSubrange(offset..<offset + count, with: bytes) }
  }

  private func cut(_ file: CInt, _ model: inout [UInt8], _ answers: Answers) {
    answers.call("ftruncate of a passed file") { Int(ftruncate(file, off_t(Self.size))) }
    model.removeLast(model.count - Self.size)
  }

  private func compare(_ file: CInt, _ model: [UInt8], _ buffer: TransferBuffer, _ answers: Answers) {
    let offset = Int.random(in: 0..<model.count)
    let count = min(buffer.count, model.count - offset)
    let got = answers.call("pread of a passed file") { pread(file, buffer.bytes, count, off_t(offset)) }
    guard got >= 0 else { return }
    answers.check(
      got == count && buffer.equals(model, from: offset, count: got), "a passed file at \(offset): \(got) bytes")
  }
}
