import CLinux
import Glibc
import LinuxSystem
import SystemPackage
import TestSupport
import Testing

/// One system call on a path beneath either root.
private enum Operation: CustomStringConvertible {
  case write(String, Int, [UInt8])
  case append(String, [UInt8])
  case truncate(String, Int)
  case remove(String)
  case removeDirectory(String)
  case makeDirectory(String, UInt32)
  case rename(String, String, UInt32)
  case link(String, String)
  case symlink(String, String)
  case mode(String, UInt32)
  case owner(String, UInt32)
  case times(String, Int)
  case read(String)
  case exclusive(String)

  var description: String {
    switch self {
    case .write(let path, let offset, let bytes): "write \(path) at \(offset) \(bytes.count) bytes"
    case .append(let path, let bytes): "append \(path) \(bytes.count) bytes"
    case .truncate(let path, let size): "truncate \(path) to \(size)"
    case .remove(let path): "unlink \(path)"
    case .removeDirectory(let path): "rmdir \(path)"
    case .makeDirectory(let path, let mode): "mkdir \(path) \(String(mode, radix: 8))"
    case .rename(let old, let new, let flags): "rename \(old) to \(new) flags \(flags)"
    case .link(let old, let new): "link \(old) to \(new)"
    case .symlink(let target, let path): "symlink \(target) at \(path)"
    case .mode(let path, let mode): "chmod \(path) \(String(mode, radix: 8))"
    case .owner(let path, let uid): "chown \(path) \(uid)"
    case .times(let path, let seconds): "utimens \(path) \(seconds)"
    case .read(let path): "read \(path)"
    case .exclusive(let path): "create \(path)"
    }
  }

  /// Few names in few directories, so that operations meet.
  private static func path(_ random: inout SeededGenerator) -> String {
    let names = ["a", "b", "c", "d"]
    return (0..<Int.random(in: 1...3, using: &random)).map { _ in names[Int.random(in: 0..<4, using: &random)] }
      .joined(separator: "/")
  }

  static func random(_ random: inout SeededGenerator) -> Operation {
    let (one, two) = (path(&random), path(&random))
    switch Int.random(in: 0..<16, using: &random) {
    case 0, 1: return .write(one, Int.random(in: 0..<20_000, using: &random), random.bytes(count: 300))
    case 2: return .append(one, random.bytes(count: 50))
    case 3: return .truncate(one, Int.random(in: 0..<30_000, using: &random))
    case 4: return .remove(one)
    case 5: return .removeDirectory(one)
    case 6, 7: return .makeDirectory(one, [0o755, 0o700, 0o1777, 0o2775][Int.random(in: 0..<4, using: &random)])
    case 8, 9: return .rename(one, two, [0, 0, 1, 2][Int.random(in: 0..<4, using: &random)])
    case 10: return .link(one, two)
    case 11: return .symlink(two, one)
    case 12: return .mode(one, UInt32.random(in: 0...0o7777, using: &random))
    case 13: return random.oneIn(2) ? .owner(one, UInt32.random(in: 0...3, using: &random)) : .times(one, 77)
    case 14: return .exclusive(one)
    default: return .read(one)
    }
  }

  /// - Returns: what the call answered: `ok`, data, or the error.
  func run(in root: String) -> String {
    do throws(Errno) { return try perform(root) } catch { return "errno \(error.rawValue)" }
  }

  private func perform(_ root: String) throws(Errno) -> String {
    func at(_ path: String) -> String { "\(root)/\(path)" }
    switch self {
    case .write(let path, let offset, let bytes):
      let file = try Files.open(at(path), O_WRONLY | O_CREAT)
      let number = file.rawValue
      return "\(try Syscall.retrying { pwrite(number, bytes, bytes.count, offset) })"
    case .append(let path, let bytes): try Files.open(at(path), O_WRONLY | O_APPEND).writeAll(bytes)
    case .truncate(let path, let size): try Files.truncate(at(path), size)
    case .remove(let path): try Files.remove(at(path))
    case .removeDirectory(let path): try Files.removeDirectory(at(path))
    case .makeDirectory(let path, let mode): try Files.makeDirectory(at(path), mode: mode)
    case .rename(let old, let new, let flags): try Files.rename(at(old), at(new), flags: flags)
    case .link(let old, let new): try Files.link(at(old), at(new))
    case .symlink(let target, let path): try Files.symlink(target, at(path))
    case .mode(let path, let mode): try Files.changeMode(at(path), mode)
    case .owner(let path, let uid): try Files.changeOwner(at(path), uid, uid)
    case .times(let path, let seconds):
      let times = [timespec(tv_sec: seconds, tv_nsec: 5), timespec(tv_sec: seconds, tv_nsec: 6)]
      try Syscall.once { utimensat(AT_FDCWD, at(path), times, 0) }
    case .read(let path): return "\(try Files.open(at(path), O_RDONLY).readToEnd().hashValue)"
    case .exclusive(let path): _ = try Files.open(at(path), O_WRONLY | O_CREAT | O_EXCL)
    }
    return "ok"
  }
}

/// Everything that can be seen of a tree, one line per name.
private func tree(_ root: String, _ path: String = "") throws(Errno) -> [String] {
  var lines: [String] = []
  for name in try Files.list(root + path).sorted() {
    let here = "\(path)/\(name)"
    let status = try Files.status(root + here)
    let type = status.st_mode & NodeType.mask
    var line = "\(here) \(String(status.st_mode, radix: 8)) \(status.st_uid):\(status.st_gid)"
    if type != NodeType.directory { line += " links \(status.st_nlink) size \(status.st_size)" }
    if type == NodeType.file { line += " content \(try Files.open(root + here, O_RDONLY).readToEnd().hashValue)" }
    if type == NodeType.link { line += " -> \(try SymbolicLink.read(root + here).count)" }
    if status.st_mtim.tv_sec == 77 { line += " mtime 77.\(status.st_mtim.tv_nsec)" }
    lines.append(line)
    if type == NodeType.directory { lines += try tree(root, here) }
  }
  return lines
}

@Suite("A mount beside a plain directory", .requiresFuse)
struct DifferentialTests {
  @Test("random operations answer the same and leave the same tree", arguments: [1, 2, 3, 4] as [UInt64], Way.allCases)
  func same(seed: UInt64, _ way: Way) throws {
    let mounted = try MountedDirectory([], way)
    let plain = try mounted.folder.makeDirectory("plain", mode: 0o777)
    chmod(plain, 0o777)
    var random = SeededGenerator(seed: seed)
    for step in 0..<3_000 {
      let operation = Operation.random(&random)
      let (shown, expected) = (operation.run(in: mounted.path), operation.run(in: plain))
      try #require(shown == expected, "seed \(seed), step \(step): \(operation)")
      if step % 500 == 499 { try #require(try tree(mounted.path) == tree(plain), "seed \(seed), step \(step)") }
    }
    #expect(try tree(mounted.source) == tree(plain))
  }
}
