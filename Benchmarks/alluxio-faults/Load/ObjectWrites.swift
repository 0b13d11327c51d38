import ApplicationLoad
import Glibc

/// Writes files from front to back, as object stores take them: small ones, and ones that are uploaded in parts. What close(2)
/// has acknowledged must be there, once and whole.
struct ObjectWrites: LoadTask {
  let folder: String
  var threads: Int { 2 }

  private static let largest = 20 << 20
  private static let chunk = 256 << 10
  /// What a spool surely holds still of the bytes written last.
  private static let recent = 4 << 20

  func run(_ answers: Answers, thread: Int, until isOver: EndFlag) {
    let path = "\(folder)/object-\(thread)"
    let buffer = TransferBuffer(count: Self.chunk)
    var isThere = false
    while !isOver.isSet {
      let content = Pattern(seed: .random(in: 0..<SharedContent.size))
      let size = Int.random(in: 0..<4) > 0 ? Int.random(in: 0...Self.chunk) : Int.random(in: 0...Self.largest)
      write(path, content, size, isNew: !isThere, buffer, answers)
      compare(path, content, size, buffer, answers)
      isThere = Bool.random()
      if !isThere {
        answers.call("unlink of an object") { Int(unlink(path)) }
        answers.call("open of a removed object", expecting: ENOENT) { Int(open(path, O_RDONLY)) }
      }
    }
  }

  private func write(
    _ path: String, _ content: Pattern, _ size: Int, isNew: Bool, _ buffer: TransferBuffer, _ answers: Answers
  ) {
    let flags = O_RDWR | O_CREAT | (isNew ? O_EXCL : O_TRUNC)
    let file = CInt(answers.call("open to write an object") { Int(open(path, flags, 0o644)) })
    guard file >= 0 else { return }
    var done = 0
    while done < size {
      let count = min(size - done, .random(in: 1...Self.chunk))
      content.copy(done, count, to: buffer)
      let put = answers.call("write of an object") { Glibc.write(file, buffer.bytes, count) }
      guard put >= 0 else { break }
      answers.check(put == count, "\(put) of \(count) bytes of an object were written")
      done += put
      if Int.random(in: 0..<8) == 0 { readBack(file, content, done, buffer, answers) }
      if Int.random(in: 0..<40) == 0 { answers.call("fsync of an object") { Int(fsync(file)) } }
      pause()
    }
    answers.call("close of an object") { Int(close(file)) }
  }

  private func readBack(_ file: CInt, _ content: Pattern, _ size: Int, _ buffer: TransferBuffer, _ answers: Answers) {
    let offset = max(0, size - .random(in: 1...Self.recent))
    let count = min(buffer.count, size - offset)
    let got = answers.call("pread of an object that is written") { pread(file, buffer.bytes, count, off_t(offset)) }
    guard got >= 0 else { return }
    answers.check(
      got == count && content.equals(buffer, offset, count), "an object that is written at \(offset): \(got) bytes")
  }

  /// Through the page cache, which is emptied first.
  private func compare(_ path: String, _ content: Pattern, _ size: Int, _ buffer: TransferBuffer, _ answers: Answers) {
    let file = CInt(answers.call("open of an object") { Int(open(path, O_RDONLY)) })
    guard file >= 0 else { return }
    posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED)
    var done = 0
    while true {
      let got = answers.call("read of an object") { read(file, buffer.bytes, buffer.count) }
      if got <= 0 { break }
      answers.check(
        done + got <= size && content.equals(buffer, done, got), "an object of \(size) bytes at \(done): \(got) bytes")
      done += got
    }
    answers.check(done == size, "an object of \(size) bytes has \(done)")
    answers.call("close of a read object") { Int(close(file)) }
  }
}

/// Bytes that go on for ever, and differ from file to file.
private struct Pattern {
  let seed: Int

  /// Runs of the shared content that make up these bytes.
  private func forEachRun(_ offset: Int, _ count: Int, _ body: (_ at: Int, _ from: Int, _ count: Int) -> Bool) -> Bool {
    var done = 0
    while done < count {
      let from = (seed + offset + done) % SharedContent.size
      let run = min(count - done, SharedContent.size - from)
      if !body(done, from, run) { return false }
      done += run
    }
    return true
  }

  func copy(_ offset: Int, _ count: Int, to buffer: TransferBuffer) {
    _ = forEachRun(offset, count) { at, from, run in
      SharedContent.bytes.withUnsafeBytes { bytes in
        if let base = bytes.baseAddress { memcpy(buffer.bytes + at, base + from, run) }
      }
      return true
    }
  }

  func equals(_ buffer: TransferBuffer, _ offset: Int, _ count: Int) -> Bool {
    forEachRun(offset, count) { at, from, run in
      SharedContent.bytes.withUnsafeBytes { bytes in
        bytes.baseAddress.map { memcmp(buffer.bytes + at, $0 + from, run) == 0 } ?? false
      }
    }
  }
}
