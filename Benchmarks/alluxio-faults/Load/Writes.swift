import ApplicationLoad
import Glibc

/// Writes at random places, reads back and compares with what it remembers; cuts and grows the file now and then.
struct RandomWrites: LoadTask {
  let folder: String
  var threads: Int { 2 }

  private static let limit = 512 << 10

  func run(_ answers: Answers, thread: Int, until isOver: EndFlag) {
    let path = "\(folder)/written-\(thread)"
    let file = CInt(answers.call("open to write") { Int(open(path, O_RDWR | O_CREAT | O_TRUNC, 0o600)) })
    guard file >= 0 else { return }
    var model: [UInt8] = []
    let buffer = TransferBuffer(count: Self.limit)
    var round = 0
    while !isOver.isSet {
      round += 1
      write(file, &model, answers)
      compare(file, model, buffer, answers)
      if round % 16 == 0 { answers.call("fsync") { Int(fsync(file)) } }
      if round % 50 == 0 { resize(file, &model, answers) }
      pause()
    }
    answers.call("close after writes") { Int(close(file)) }
    let again = CInt(answers.call("open written file") { Int(open(path, O_RDONLY)) })
    let got = answers.call("read of all") { read(again, buffer.bytes, Self.limit) }
    answers.check(got == model.count && buffer.equals(model, from: 0, count: got), "\(path) at its end, \(got) bytes")
    close(again)
  }

  private func write(_ file: CInt, _ model: inout [UInt8], _ answers: Answers) {
    let count = Int.random(in: 1...16 << 10)
    let offset = Int.random(in: 0...min(model.count + 4096, Self.limit - count))
    let bytes = [UInt8](repeating: .random(in: 1...255), count: count)
    let put = answers.call("pwrite") { pwrite(file, bytes, count, off_t(offset)) }
    guard put >= 0 else { return }
    answers.check(put == count, "\(put) of \(count) bytes were written")
    if model.count < offset + count { model += [UInt8](repeating: 0, count: offset + count - model.count) }
    model.replaceSubrange(offset..<offset + count, with: bytes)
  }

  private func compare(_ file: CInt, _ model: [UInt8], _ buffer: TransferBuffer, _ answers: Answers) {
    let offset = Int.random(in: 0..<model.count)
    let count = min(32 << 10, model.count - offset)
    if Bool.random() { posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED) }
    let got = answers.call("pread of writes") { pread(file, buffer.bytes, count, off_t(offset)) }
    guard got >= 0 else { return }
    answers.check(
      got == count && buffer.equals(model, from: offset, count: got), "what was written at \(offset): \(got) bytes")
  }

  private func resize(_ file: CInt, _ model: inout [UInt8], _ answers: Answers) {
    let size = Int.random(in: 1...Self.limit / 2)
    guard answers.call("ftruncate", { Int(ftruncate(file, off_t(size))) }) == 0 else { return }
    model = Array(model.prefix(size))
    model += [UInt8](repeating: 0, count: size - model.count)
    var status = stat()
    answers.call("fstat") { Int(fstat(file, &status)) }
    answers.check(status.st_size == size, "\(status.st_size) bytes after cutting to \(size)")
  }
}

/// Appends numbered records: none may be missing, doubled or torn.
struct Appends: LoadTask {
  let folder: String

  private static let length = 16

  private static func record(_ number: Int) -> [UInt8] {
    let digits = String(number)
    return Array((String(repeating: "0", count: length - 1 - digits.count) + digits + "\n").utf8)
  }

  func run(_ answers: Answers, thread: Int, until isOver: EndFlag) {
    let path = "\(folder)/appended"
    let flags = O_WRONLY | O_CREAT | O_TRUNC | O_APPEND
    let file = CInt(answers.call("open to append") { Int(open(path, flags, 0o600)) })
    guard file >= 0 else { return }
    var number = 0
    while !isOver.isSet {
      let record = Self.record(number)
      let put = answers.call("append") { write(file, record, record.count) }
      guard put >= 0 else { continue }
      answers.check(put == record.count, "\(put) bytes of a record were appended")
      number += 1
      if number % 16 == 0 { answers.call("fdatasync") { Int(fdatasync(file)) } }
      pause()
    }
    answers.call("close after appends") { Int(close(file)) }
    let all = (0..<number).flatMap(Self.record)
    let buffer = TransferBuffer(count: all.count + Self.length)
    let again = CInt(answers.call("open appended file") { Int(open(path, O_RDONLY)) })
    let got = answers.call("read of appends") { read(again, buffer.bytes, buffer.count) }
    answers.check(
      got == all.count && buffer.equals(all, from: 0, count: got), "\(number) records are \(got) bytes or wrong")
    close(again)
  }
}

/// Files that have no name any more, held over faults: one that is unlinked, one that another is renamed over, one that was
/// unlinked before it had any content.
struct UnlinkedFiles: LoadTask {
  let folder: String
  var threads: Int { 3 }

  func run(_ answers: Answers, thread: Int, until isOver: EndFlag) {
    let path = "\(folder)/nameless-\(thread)"
    let buffer = TransferBuffer(count: 16 << 10)
    while !isOver.isSet {
      let file = CInt(
        answers.call("create to unlink") { Int(open(path, O_RDWR | O_CREAT | O_EXCL, 0o600)) })
      guard file >= 0 else { continue }
      var model = [UInt8](repeating: 7, count: 16 << 10)
      if thread == 2 { answers.call("unlink of a new file") { Int(unlink(path)) } }
      answers.call("pwrite to unlink") { pwrite(file, model, model.count, 0) }
      switch thread {
      case 0: answers.call("unlink while open") { Int(unlink(path)) }
      case 1: replace(path, answers)
      default: break
      }
      // About two seconds, so that faults come meanwhile.
      for _ in 0..<1_500 where !isOver.isSet {
        let (offset, byte) = (Int.random(in: 0..<model.count), UInt8.random(in: 0...255))
        model[offset] = byte
        answers.call("pwrite without a name") {
          withUnsafeBytes(of: byte) { pwrite(file, $0.baseAddress, 1, off_t(offset)) }
        }
        posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED)
        let got = answers.call("pread without a name") { pread(file, buffer.bytes, model.count, 0) }
        if got >= 0 {
          answers.check(
            got == model.count && buffer.equals(model, from: 0, count: got), "a file without a name: \(got) bytes")
        }
        pause()
      }
      var status = stat()
      answers.call("fstat without a name") { Int(fstat(file, &status)) }
      answers.check(status.st_nlink == 0, "a file without a name has \(status.st_nlink)")
      answers.call("close without a name") { Int(close(file)) }
    }
  }

  private func replace(_ path: String, _ answers: Answers) {
    let other = CInt(
      answers.call("create to replace an open file") { Int(open("\(path)-new", O_RDWR | O_CREAT | O_EXCL, 0o600)) })
    guard other >= 0 else { return }
    answers.call("close to replace an open file") { Int(close(other)) }
    answers.call("rename over an open file") { Int(rename("\(path)-new", path)) }
    answers.call("unlink what replaced an open file") { Int(unlink(path)) }
  }
}
