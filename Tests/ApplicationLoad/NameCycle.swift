import CLinux
import Glibc

/// A directory in which names come and go, again and again: every operation that must be done exactly once, so that its
/// repetition answers the error that it must, and what is there afterwards is what was asked for.
package struct NameCycle {
  private let directory: String
  private let answers: any AnswerCheck
  private var round = 0

  /// - Parameter directory: does not exist; nobody else makes it.
  package init(directory: String, _ answers: any AnswerCheck) {
    self.directory = directory
    self.answers = answers
  }

  /// One life of the directory.
  /// - Parameter pause: called between its parts.
  package mutating func run(_ pause: () -> Void = {}) {
    round += 1
    answers.call("mkdir") { Int(mkdir(directory, 0o755)) }
    answers.call("mkdir again", expecting: EEXIST) { Int(mkdir(directory, 0o755)) }
    for step in [make, rename, replace, attributes, remove] {
      step()
      pause()
    }
    answers.call("rmdir") { Int(rmdir(directory)) }
    answers.call("rmdir again", expecting: ENOENT) { Int(rmdir(directory)) }
  }

  private func at(_ name: String) -> String { "\(directory)/\(name)" }

  private func create(_ name: String, _ text: String) {
    let file = CInt(answers.call("create") { Int(open(at(name), O_RDWR | O_CREAT | O_EXCL, 0o640)) })
    guard file >= 0 else { return }
    let put = answers.call("write of a new file") { write(file, text, text.utf8.count) }
    answers.check(put == text.utf8.count, "\(put) of \(text.utf8.count) bytes of a new file were written")
    answers.call("close of a new file") { Int(close(file)) }
  }

  private func text(_ name: String) -> String {
    let file = CInt(answers.call("open by name") { Int(open(at(name), O_RDONLY)) })
    guard file >= 0 else { return "nothing" }
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: 100)
    let count = answers.call("read by name") { read(file, &bytes, 100) }
    return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
  }

  private func links(_ name: String) -> Int {
    var status = stat()
    answers.call("lstat") { Int(lstat(at(name), &status)) }
    return Int(status.st_nlink)
  }

  private func move(_ old: String, _ new: String, flags: UInt32 = 0) -> Int {
    Int(clinux_renameat2(AT_FDCWD, at(old), AT_FDCWD, at(new), flags))
  }

  private func make() {
    create("a", "a\(round)")
    answers.call("create again", expecting: EEXIST) { Int(open(at("a"), O_RDWR | O_CREAT | O_EXCL, 0o640)) }
    answers.call("link") { Int(link(at("a"), at("b"))) }
    answers.call("link again", expecting: EEXIST) { Int(link(at("a"), at("b"))) }
    answers.check(links("b") == 2, "a linked file has not two links")
    answers.call("symlink") { Int(symlink("a", at("s"))) }
    answers.call("symlink again", expecting: EEXIST) { Int(symlink("a", at("s"))) }
    var bytes = [CChar](repeating: 0, count: 16)
    let count = answers.call("readlink") { readlink(at("s"), &bytes, 16) }
    answers.check(count == 1 && bytes[0] == CChar(UInt8(ascii: "a")), "a symbolic link does not name what it must")
    answers.call("mkfifo") { Int(mkfifo(at("p"), 0o600)) }
    answers.call("mkfifo again", expecting: EEXIST) { Int(mkfifo(at("p"), 0o600)) }
  }

  /// `a` becomes `d`, and is still `b`; another file takes the name `d`, and they change places.
  private func rename() {
    answers.call("rename") { move("a", "d") }
    answers.call("rename again", expecting: ENOENT) { move("a", "d") }
    create("c", "c\(round)")
    answers.call("rename without replacing", expecting: EEXIST) { move("c", "d", flags: 1) }
    answers.call("rename over") { move("c", "d") }
    answers.check(text("d") == "c\(round)", "a file renamed over another is \(text("d")) in round \(round)")
    answers.check(links("b") == 1, "a file whose other name was replaced has not one link")
    answers.call("exchange") { move("b", "d", flags: 2) }
    let (b, d) = (text("b"), text("d"))
    answers.check(
      d == "a\(round)" && b == "c\(round)", "an exchange was not done once: \(b) and \(d) in round \(round)")
    answers.call("rename to a new name") { move("d", "c", flags: 1) }
  }

  /// As editors save.
  private func replace() {
    create("new", "new\(round)")
    let file = CInt(answers.call("open to save") { Int(open(at("new"), O_RDWR)) })
    answers.call("fsync of a saved file") { Int(fsync(file)) }
    answers.call("close of a saved file") { Int(close(file)) }
    answers.call("rename of a saved file") { move("new", "b") }
    answers.check(text("b") == "new\(round)", "a saved file is \(text("b")) in round \(round)")
  }

  private func attributes() {
    let (name, value) = ("user.load", "\(round)")
    let count = value.utf8.count
    answers.call("setxattr") { Int(setxattr(at("b"), name, value, count, 1)) }
    answers.call("setxattr again", expecting: EEXIST) { Int(setxattr(at("b"), name, value, count, 1)) }
    answers.call("setxattr to replace") { Int(setxattr(at("b"), name, value, count, 2)) }
    answers.call("removexattr") { Int(removexattr(at("b"), name)) }
    answers.call("removexattr again", expecting: ENODATA) { Int(removexattr(at("b"), name)) }
    answers.call("setxattr to replace nothing", expecting: ENODATA) {
      Int(setxattr(at("b"), name, value, count, 2))
    }
    answers.call("chmod") { Int(chmod(at("b"), 0o600)) }
  }

  private func remove() {
    answers.call("rmdir of a directory with names", expecting: ENOTEMPTY) { Int(rmdir(directory)) }
    for name in ["b", "c", "s", "p"] {
      answers.call("unlink") { Int(unlink(at(name))) }
      answers.call("unlink again", expecting: ENOENT) { Int(unlink(at(name))) }
    }
  }
}
