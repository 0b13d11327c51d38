import CLinux
import Glibc
import LinuxSystem
import SystemPackage

/// System calls on paths as tests write them: errors are thrown.
enum Files {
  static func open(_ path: String, _ flags: CInt, mode: UInt32 = 0o644) throws(Errno) -> Descriptor {
    try Descriptor.open(path, flags, mode: mode)
  }

  /// Writes a whole file, made when absent.
  static func write(_ text: String, _ path: String, mode: UInt32 = 0o644) throws(Errno) {
    let file = try open(path, O_WRONLY | O_CREAT | O_TRUNC, mode: mode)
    try file.writeAll(Array(text.utf8))
    try file.close()
  }

  static func read(_ path: String) throws(Errno) -> String {
    String(decoding: try open(path, O_RDONLY).readToEnd(), as: UTF8.self)
  }

  static func status(_ path: String) throws(Errno) -> stat {
    var result = stat()
    try Syscall.once { lstat(path, &result) }
    return result
  }

  static func exists(_ path: String) -> Bool { (try? status(path)) != nil }
  static func mode(_ path: String) throws(Errno) -> UInt32 { try status(path).st_mode & 0o7777 }
  static func makeDirectory(_ path: String, mode: UInt32 = 0o755) throws(Errno) {
    try Syscall.once { mkdir(path, mode) }
  }
  static func remove(_ path: String) throws(Errno) { try Syscall.once { Glibc.unlink(path) } }
  static func removeDirectory(_ path: String) throws(Errno) { try Syscall.once { rmdir(path) } }
  static func link(_ old: String, _ new: String) throws(Errno) { try Syscall.once { Glibc.link(old, new) } }
  static func symlink(_ target: String, _ path: String) throws(Errno) {
    try Syscall.once { Glibc.symlink(target, path) }
  }
  static func changeMode(_ path: String, _ mode: UInt32) throws(Errno) { try Syscall.once { chmod(path, mode) } }
  static func changeOwner(_ path: String, _ uid: UInt32, _ gid: UInt32) throws(Errno) {
    try Syscall.once { lchown(path, uid, gid) }
  }
  static func truncate(_ path: String, _ size: Int) throws(Errno) { try Syscall.once { Glibc.truncate(path, size) } }

  /// renameat2(2).
  static func rename(_ old: String, _ new: String, flags: UInt32 = 0) throws(Errno) {
    try Syscall.once { clinux_renameat2(AT_FDCWD, old, AT_FDCWD, new, flags) }
  }

  static func writeAt(_ file: borrowing Descriptor, _ text: String, _ offset: Int) throws(Errno) {
    let number = file.rawValue
    let bytes = Array(text.utf8)
    try Syscall.retrying { pwrite(number, bytes, bytes.count, offset) }
  }

  static func readAt(_ file: borrowing Descriptor, _ count: Int, _ offset: Int) throws(Errno) -> String {
    let number = file.rawValue
    var bytes = [UInt8](repeating: 0, count: count)
    let got = try Syscall.retrying { pread(number, &bytes, count, offset) }
    return String(decoding: bytes.prefix(got), as: UTF8.self)
  }

  /// Names in a directory with their offsets, in the order of readdir(3), without `.` and `..`.
  static func list(_ path: String) throws(Errno) -> [String] {
    guard let stream = opendir(path) else { throw Errno(rawValue: errno) }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = DirectoryEntry.name(entry)
      if name != ".", name != ".." { names.append(name) }
    }
    return names
  }
}

enum DirectoryEntry {
  /// The entry's name as text.
  static func name(_ entry: UnsafeMutablePointer<dirent>) -> String {
    // Behind inode, offset, length and type. By its name the compiler takes it for another module's.
    String(cString: UnsafeRawPointer(entry).advanced(by: 19).assumingMemoryBound(to: CChar.self))
  }
}

/// Programs run by tests.
enum Program {
  /// Runs a shell script and returns its output, standard error included, without line breaks at its end.
  /// - Parameter user: run as this uid and gid, with the groups as its only supplementary ones.
  static func shell(_ script: String, user: (uid: UInt32, groups: [UInt32])? = nil) throws -> (
    status: Int32, output: String
  ) {
    var arguments = ["/bin/sh", "-c", script]
    if let user {
      let groups =
        user.groups.isEmpty ? ["--clear-groups"] : ["--groups", user.groups.map(String.init).joined(separator: ",")]
      arguments =
        ["/usr/bin/setpriv", "--reuid", "\(user.uid)", "--regid", "\(user.uid)"] + groups + ["--"] + arguments
    }
    var pipe = try Pipe()
    let process = try Spawn.start(arguments, writing: [1, 2], to: &pipe)
    var text = String(decoding: try pipe.reader.descriptor.readToEnd(), as: UTF8.self)
    while text.hasSuffix("\n") { text.removeLast() }
    switch try process.wait() {
    case .exited(let code): return (code, text)
    case .signalled(let signal, _): return (128 + signal, text)
    }
  }
}

/// Type bits of `st_mode`.
enum NodeType {
  static let mask: UInt32 = 0o170000
  static let pipe: UInt32 = 0o010000
  static let character: UInt32 = 0o020000
  static let directory: UInt32 = 0o040000
  static let file: UInt32 = 0o100000
  static let link: UInt32 = 0o120000
  static let socket: UInt32 = 0o140000
}
