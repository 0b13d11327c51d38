import CLinux
import Glibc

/// A directory in which names come and go, again and again: every operation that must be done exactly once, so that its
/// repetition answers the error that it must, and what is there afterwards is what was asked for.
package struct NameCycle {
  private let directory: String
  private let answers: any AnswerCheck
  private let pause: @Sendable () -> Void
  private var round = 0

  /// - Parameters:
  ///   - directory: does not exist; nobody else makes it.
  ///   - pause: called before each operation.
  package init(directory: String, _ answers: any AnswerCheck, pause: @escaping @Sendable () -> Void = {}) {
    self.directory = directory
    self.answers = answers
    self.pause = pause
  }

  /// One life of the directory.
  package mutating func run() {
    round += 1
    call("mkdir") { Int(mkdir(directory, 0o755)) }
    call("mkdir again", expecting: EEXIST) { Int(mkdir(directory, 0o755)) }
    for step in [make, rename, replace, attributes, remove] { step() }
    call("rmdir") { Int(rmdir(directory)) }
    call("rmdir again", expecting: ENOENT) { Int(rmdir(directory)) }
  }

  @discardableResult
  private func call(_ what: StaticString, expecting expected: CInt = 0, _ call: () -> Int) -> Int {
    pause()
    return answers.call(what, expecting: expected, call)
  }

  private func at(_ name: String) -> String { "\(directory)/\(name)" }

  private func create(_ name: String, _ text: String) {
    let file = CInt(call("create") { Int(open(at(name), O_RDWR | O_CREAT | O_EXCL, 0o640)) })
    guard file >= 0 else { return }
    let put = call("write of a new file") { write(file, text, text.utf8.count) }
    answers.check(put == text.utf8.count, "\(put) of \(text.utf8.count) bytes of a new file were written")
    call("close of a new file") { Int(close(file)) }
  }

  private func text(_ name: String) -> String {
    let file = CInt(call("open by name") { Int(open(at(name), O_RDONLY)) })
    guard file >= 0 else { return "nothing" }
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: 100)
    let count = call("read by name") { read(file, &bytes, 100) }
    return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
  }

  private func links(_ name: String) -> Int {
    var status = stat()
    call("lstat") { Int(lstat(at(name), &status)) }
    return Int(status.st_nlink)
  }

  private func move(_ old: String, _ new: String, flags: UInt32 = 0) -> Int {
    Int(clinux_renameat2(AT_FDCWD, at(old), AT_FDCWD, at(new), flags))
  }

  private func make() {
    create("a", "a\(round)")
    call("create again", expecting: EEXIST) { Int(open(at("a"), O_RDWR | O_CREAT | O_EXCL, 0o640)) }
    call("link") { Int(link(at("a"), at("b"))) }
    call("link again", expecting: EEXIST) { Int(link(at("a"), at("b"))) }
    answers.check(links("b") == 2, "a linked file has not two links")
    call("symlink") { Int(symlink("a", at("s"))) }
    call("symlink again", expecting: EEXIST) { Int(symlink("a", at("s"))) }
    var bytes = [CChar](repeating: 0, count: 16)
    let count = call("readlink") { readlink(at("s"), &bytes, 16) }
    answers.check(count == 1 && bytes[0] == CChar(UInt8(ascii: "a")), "a symbolic link does not name what it must")
    call("mkfifo") { Int(mkfifo(at("p"), 0o600)) }
    call("mkfifo again", expecting: EEXIST) { Int(mkfifo(at("p"), 0o600)) }
  }

  /// `a` becomes `d`, and is still `b`; another file takes the name `d`, and they change places.
  private func rename() {
    call("rename") { move("a", "d") }
    call("rename again", expecting: ENOENT) { move("a", "d") }
    create("c", "c\(round)")
    call("rename without replacing", expecting: EEXIST) { move("c", "d", flags: 1) }
    call("rename over") { move("c", "d") }
    answers.check(text("d") == "c\(round)", "a file renamed over another is \(text("d")) in round \(round)")
    answers.check(links("b") == 1, "a file whose other name was replaced has not one link")
    call("exchange") { move("b", "d", flags: 2) }
    let (b, d) = (text("b"), text("d"))
    answers.check(
      d == "a\(round)" && b == "c\(round)", "an exchange was not done once: \(b) and \(d) in round \(round)")
    call("rename to a new name") { move("d", "c", flags: 1) }
  }

  /// As editors save.
  private func replace() {
    create("new", "new\(round)")
    let file = CInt(call("open to save") { Int(open(at("new"), O_RDWR)) })
    call("fsync of a saved file") { Int(fsync(file)) }
    call("close of a saved file") { Int(close(file)) }
    call("rename of a saved file") { move("new", "b") }
    answers.check(text("b") == "new\(round)", "a saved file is \(text("b")) in round \(round)")
  }

  private func attributes() {
    let (name, value) = ("user.load", "\(round)")
    let count = value.utf8.count
    call("setxattr") { Int(setxattr(at("b"), name, value, count, 1)) }
    call("setxattr again", expecting: EEXIST) { Int(setxattr(at("b"), name, value, count, 1)) }
    call("setxattr to replace") { Int(setxattr(at("b"), name, value, count, 2)) }
    call("removexattr") { Int(removexattr(at("b"), name)) }
    call("removexattr again", expecting: ENODATA) { Int(removexattr(at("b"), name)) }
    call("setxattr to replace nothing", expecting: ENODATA) {
      Int(setxattr(at("b"), name, value, count, 2))
    }
    call("chmod") { Int(chmod(at("b"), 0o600)) }
  }

  private func remove() {
    call("rmdir of a directory with names", expecting: ENOTEMPTY) { Int(rmdir(directory)) }
    for name in ["b", "c", "s", "p"] {
      call("unlink") { Int(unlink(at(name))) }
      call("unlink again", expecting: ENOENT) { Int(unlink(at(name))) }
    }
  }
}
