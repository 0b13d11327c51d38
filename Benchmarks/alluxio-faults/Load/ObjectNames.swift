import ApplicationLoad
import CLinux
import Glibc

/// Directories in which names come and go, with the operations that object stores can do: each must be done once, so that its
/// repetition answers the error that it must.
struct ObjectNames: LoadTask {
  let folder: String
  var threads: Int { 2 }

  func run(_ answers: Answers, thread: Int, until isOver: EndFlag) {
    while !isOver.isSet { cycle("\(folder)/prefix-\(thread)", answers) }
  }

  private func cycle(_ directory: String, _ answers: Answers) {
    func call(_ what: StaticString, expecting expected: CInt = 0, _ call: () -> Int) {
      pause()
      answers.call(what, expecting: expected, call)
    }
    call("mkdir of a prefix") { Int(mkdir(directory, 0o755)) }
    call("mkdir of a prefix again", expecting: EEXIST) { Int(mkdir(directory, 0o755)) }
    let (first, second) = ("\(directory)/first", "\(directory)/second")
    create(first, "one", answers)
    call("create of an object that is there", expecting: EEXIST) {
      Int(open(first, O_WRONLY | O_CREAT | O_EXCL, 0o644))
    }
    call("rename of an object") { Int(rename(first, second)) }
    call("rename of an object again", expecting: ENOENT) { Int(rename(first, second)) }
    expect(second, "one", answers)
    create(first, "other", answers)
    call("rename over an object") { Int(rename(first, second)) }
    expect(second, "other", answers)
    let moved = "\(directory)-moved"
    call("rename of a prefix") { Int(rename(directory, moved)) }
    call("rename of a prefix again", expecting: ENOENT) { Int(rename(directory, moved)) }
    expect("\(moved)/second", "other", answers)
    call("rmdir of a prefix with an object", expecting: ENOTEMPTY) { Int(rmdir(moved)) }
    call("unlink of an object by name") { Int(unlink("\(moved)/second")) }
    call("unlink of an object by name again", expecting: ENOENT) { Int(unlink("\(moved)/second")) }
    call("rmdir of a prefix") { Int(rmdir(moved)) }
    call("rmdir of a prefix again", expecting: ENOENT) { Int(rmdir(moved)) }
  }

  private func create(_ path: String, _ text: String, _ answers: Answers) {
    pause()
    let file = CInt(answers.call("create of an object") { Int(open(path, O_RDWR | O_CREAT | O_EXCL, 0o644)) })
    guard file >= 0 else { return }
    pause()
    let put = answers.call("write of a new object") { write(file, text, text.utf8.count) }
    answers.check(put == text.utf8.count, "\(put) of \(text.utf8.count) bytes of a new object were written")
    pause()
    answers.call("close of a new object") { Int(close(file)) }
  }

  private func expect(_ path: String, _ text: String, _ answers: Answers) {
    pause()
    let file = CInt(answers.call("open of an object by name") { Int(open(path, O_RDONLY)) })
    guard file >= 0 else { return }
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: 100)
    let count = answers.call("read of an object by name") { read(file, &bytes, 100) }
    let found = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    answers.check(found == text, "\(path) is \(found) and not \(text)")
  }
}
