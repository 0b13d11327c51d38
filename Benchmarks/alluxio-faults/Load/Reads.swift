import ApplicationLoad
import CLinux
import Glibc

/// Opens, and reads at random places through the page cache, which is emptied there first.
struct BufferedReads: LoadTask {
  let folder: String
  let content: [UInt8]

  func run(_ answers: Answers, thread: Int, until isOver: EndFlag) {
    let buffer = TransferBuffer(count: 64 << 10)
    while !isOver.isSet {
      let file = CInt(answers.call("open") { Int(open("\(folder)/content", O_RDONLY)) })
      guard file >= 0 else { continue }
      for _ in 0..<40 where !isOver.isSet {
        let count = 4096 * Int.random(in: 1...16)
        let offset = 4096 * Int.random(in: 0...(content.count - count) / 4096)
        posix_fadvise(file, off_t(offset), off_t(count), POSIX_FADV_DONTNEED)
        let got = answers.call("buffered pread") { pread(file, buffer.bytes, count, off_t(offset)) }
        if got >= 0 {
          answers.check(
            got == count && buffer.equals(content, from: offset, count: got), "buffered read at \(offset): \(got) bytes"
          )
        }
        pause()
      }
      answers.call("close") { Int(close(file)) }
    }
  }
}

/// Reads around the page cache.
struct DirectReads: LoadTask {
  let folder: String
  let content: [UInt8]

  func run(_ answers: Answers, thread: Int, until isOver: EndFlag) {
    let buffer = TransferBuffer(count: 64 << 10)
    let file = CInt(answers.call("open with O_DIRECT") { Int(open("\(folder)/content", O_RDONLY | clinux_O_DIRECT)) })
    guard file >= 0 else { return }
    defer { close(file) }
    while !isOver.isSet {
      let count = 4096 * Int.random(in: 1...16)
      let offset = 4096 * Int.random(in: 0...(content.count - count) / 4096)
      let got = answers.call("direct pread") { pread(file, buffer.bytes, count, off_t(offset)) }
      if got >= 0 {
        answers.check(
          got == count && buffer.equals(content, from: offset, count: got), "direct read at \(offset): \(got) bytes")
      }
      pause()
    }
  }
}

/// Page faults of a mapping whose pages are thrown away before.
struct MappedReads: LoadTask {
  let folder: String
  let content: [UInt8]

  func run(_ answers: Answers, thread: Int, until isOver: EndFlag) {
    let page = 4096
    let file = CInt(answers.call("open to map") { Int(open("\(folder)/content", O_RDONLY)) })
    guard file >= 0 else { return }
    defer { close(file) }
    guard let pages = mmap(nil, content.count, PROT_READ, MAP_SHARED, file, 0), pages != MAP_FAILED else {
      return answers.check(false, "mmap answered errno \(errno)")
    }
    defer { munmap(pages, content.count) }
    while !isOver.isSet {
      let offset = page * Int.random(in: 0..<content.count / page)
      madvise(pages + offset, page, MADV_DONTNEED)
      posix_fadvise(file, off_t(offset), off_t(page), POSIX_FADV_DONTNEED)
      let isRight = content.withUnsafeBytes { model in
        var isRight = false
        answers.call("page fault") {
          isRight = model.baseAddress.map { memcmp(pages + offset, $0 + offset, page) == 0 } ?? false
          return 0
        }
        return isRight
      }
      answers.check(isRight, "mapped page at \(offset)")
      pause()
    }
  }
}

/// Lists a large directory slowly, so that faults come in the middle: each name must come exactly once.
struct SlowListing: LoadTask {
  let folder: String

  func run(_ answers: Answers, thread: Int, until isOver: EndFlag) {
    while !isOver.isSet {
      var directory: OpaquePointer?
      answers.call("opendir") {
        directory = opendir("\(folder)/entries")
        return directory == nil ? -1 : 0
      }
      guard let directory else { continue }
      list(directory, answers)
      closedir(directory)
    }
  }

  private func list(_ directory: OpaquePointer, _ answers: Answers) {
    var seen = [Bool](repeating: false, count: SharedContent.entries)
    var count = 0
    while true {
      var entry: UnsafeMutablePointer<dirent>?
      let result = answers.call("readdir") {
        errno = 0
        entry = readdir(directory)
        return entry == nil && errno != 0 ? -1 : 0
      }
      guard result == 0, let entry else { break }
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name == "." || name == ".." { continue }
      guard let number = Int(name.dropFirst(6)), seen.indices.contains(number) else {
        answers.check(false, "a name that was never made: \(name)")
        continue
      }
      answers.check(!seen[number], "\(name) was listed twice")
      seen[number] = true
      count += 1
      if count % 100 == 0 { pause() }
    }
    answers.check(count == SharedContent.entries, "\(count) of \(SharedContent.entries) names were listed")
  }
}
