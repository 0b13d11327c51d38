import ApplicationLoad
import Glibc

/// Opens, reads and closes again and again, as applications do that survive an outage.
struct ReopenedReads: LoadTask {
  let folder: String
  let content: [UInt8]
  var threads: Int { 2 }

  func run(_ answers: Answers, thread: Int, until isOver: EndFlag) {
    let buffer = TransferBuffer(count: 64 << 10)
    while !isOver.isSet {
      let file = CInt(answers.call("open") { Int(open("\(folder)/content", O_RDONLY)) })
      guard file >= 0 else {
        pause()
        continue
      }
      let offset = 4096 * Int.random(in: 0...(content.count - buffer.count) / 4096)
      posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED)
      let got = answers.call("pread") { pread(file, buffer.bytes, buffer.count, off_t(offset)) }
      // An error in the middle shortens a read.
      if got > 0 {
        answers.check(buffer.equals(content, from: offset, count: got), "read at \(offset): \(got) bytes")
      }
      close(file)
      pause()
    }
  }
}

/// Opens, writes a record and reads it: what was answered with success must be there, what was not may be.
struct ReopenedWrites: LoadTask {
  let folder: String
  var threads: Int { 2 }

  private static let size = 4096

  func run(_ answers: Answers, thread: Int, until isOver: EndFlag) {
    let path = "\(folder)/reopened-\(thread)"
    var known: Set<UInt8> = [0]
    while !isOver.isSet {
      let file = CInt(answers.call("open to write") { Int(open(path, O_RDWR | O_CREAT, 0o600)) })
      if file >= 0 {
        read(file, &known, answers)
        write(file, &known, answers)
        close(file)
      }
      pause()
    }
  }

  private func read(_ file: CInt, _ known: inout Set<UInt8>, _ answers: Answers) {
    let buffer = TransferBuffer(count: Self.size)
    let got = answers.call("pread of a record") { pread(file, buffer.bytes, Self.size, 0) }
    guard got == Self.size else { return answers.check(got < 0 || known.contains(0), "a record of \(got) bytes") }
    let first = buffer.bytes.load(as: UInt8.self)
    let isWhole = buffer.equals([UInt8](repeating: first, count: Self.size), from: 0, count: Self.size)
    answers.check(isWhole && known.contains(first), "a record of \(first) and not of \(known)")
    known = [first]
  }

  private func write(_ file: CInt, _ known: inout Set<UInt8>, _ answers: Answers) {
    let next = UInt8.random(in: 1...255)
    let record = [UInt8](repeating: next, count: Self.size)
    let put = answers.call("pwrite of a record") { pwrite(file, record, record.count, 0) }
    let isSafe = put == Self.size && answers.call("fsync of a record") { Int(fsync(file)) } == 0
    known = isSafe ? [next] : known.union([next])
  }
}
