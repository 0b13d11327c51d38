import CLinux
import Glibc

/// One thread's directory, in which names come and go: every operation that must not be applied twice, with success and with
/// the error that a second application would give.
struct NameCycle {
  private let directory: String
  private let log: AnswerLog
  private var round = 0

  init(directory: String, _ log: AnswerLog) {
    self.directory = directory
    self.log = log
  }

  private func at(_ name: String) -> String { "\(directory)/\(name)" }

  private func status(_ name: String) -> stat {
    var status = stat()
    log.expect("stat \(name)") { lstat(at(name), &status) }
    return status
  }

  private func create(_ name: String, _ text: String) {
    log.expect("create \(name)") {
      let file = open(at(name), O_RDWR | O_CREAT | O_EXCL, 0o640)
      guard file >= 0 else { return -1 }
      defer { close(file) }
      return write(file, text, text.utf8.count) == text.utf8.count ? 0 : -1
    }
    log.expect("create \(name) again", EEXIST) { open(at(name), O_RDWR | O_CREAT | O_EXCL, 0o640) }
  }

  private func text(_ name: String) -> String {
    let file = open(at(name), O_RDONLY)
    guard file >= 0 else { return "errno \(errno)" }
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: 100)
    let count = read(file, &bytes, 100)
    return count < 0 ? "errno \(errno)" : String(decoding: bytes.prefix(count), as: UTF8.self)
  }

  private func rename(_ old: String, _ new: String, flags: UInt32 = 0, expecting expected: CInt = 0) {
    log.expect("rename \(old) to \(new), flags \(flags)", expected) {
      clinux_renameat2(AT_FDCWD, at(old), AT_FDCWD, at(new), flags)
    }
  }

  mutating func run() {
    round += 1
    log.expect("mkdir") { mkdir(directory, 0o755) }
    log.expect("mkdir again", EEXIST) { mkdir(directory, 0o755) }
    makeNames()
    renameNames()
    changeAttributes()
    removeNames()
    log.expect("rmdir") { rmdir(directory) }
    log.expect("rmdir again", ENOENT) { rmdir(directory) }
  }

  private func makeNames() {
    create("a", "a\(round)")
    log.expect("link") { link(at("a"), at("b")) }
    log.expect("link again", EEXIST) { link(at("a"), at("b")) }
    log.check(status("b").st_nlink == 2, "a linked file has not two links")
    log.expect("symlink") { symlink("a", at("s")) }
    log.expect("symlink again", EEXIST) { symlink("a", at("s")) }
    log.expect("mknod") { mkfifo(at("p"), 0o600) }
    log.expect("mknod again", EEXIST) { mkfifo(at("p"), 0o600) }
  }

  /// `a` and `b` are one file; `c` another that ends under the name `d`.
  private func renameNames() {
    rename("a", "d")
    rename("a", "d", expecting: ENOENT)
    create("c", "c\(round)")
    rename("c", "d", flags: 1, expecting: EEXIST)
    rename("c", "d")
    log.check(text("d") == "c\(round)", "a file that was renamed over another has not its content: \(text("d"))")
    log.check(status("b").st_nlink == 1, "a file whose other name was replaced has not one link")
    rename("b", "d", flags: 2)
    log.check(text("d") == "a\(round)" && text("b") == "c\(round)", "an exchange was not done once")
    rename("b", "c", flags: 1)
  }

  private func changeAttributes() {
    let (name, value) = ("user.load", "\(round)")
    log.expect("setxattr") { setxattr(at("c"), name, value, value.utf8.count, 1) }
    log.expect("setxattr again", EEXIST) { setxattr(at("c"), name, value, value.utf8.count, 1) }
    log.expect("setxattr to replace") { setxattr(at("c"), name, value, value.utf8.count, 2) }
    log.expect("removexattr") { removexattr(at("c"), name) }
    log.expect("removexattr again", ENODATA) { removexattr(at("c"), name) }
  }

  private func removeNames() {
    log.expect("rmdir of a directory with names", ENOTEMPTY) { rmdir(directory) }
    for name in ["c", "d", "s", "p"] {
      log.expect("unlink \(name)") { unlink(at(name)) }
      log.expect("unlink \(name) again", ENOENT) { unlink(at(name)) }
    }
  }
}
