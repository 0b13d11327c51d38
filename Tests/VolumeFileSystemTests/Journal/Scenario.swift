import Glibc
import SystemPackage
import UnderFileSystem
import VolumeFileSystem

/// An operation that must not be applied twice, and the files that it meets.
struct Scenario: Sendable, CustomStringConvertible {
  /// What an operation answers, as far as a repetition must answer the same.
  struct Answer: Equatable {
    var node: NodeID?
    var generation: UInt64?
    var attributes: [UInt64] = []

    init() {}

    init(_ entry: Entry) {
      node = entry.node
      generation = entry.generation
      let shown = entry.attributes
      attributes = [UInt64(shown.mode), UInt64(shown.linkCount), UInt64(shown.uid), UInt64(bitPattern: shown.size)]
    }
  }

  typealias Operation = @Sendable (VolumeFileSystem, Prepared, RequestID) throws(Errno) -> Answer

  let description: String
  /// Each hard link is a node of its own without handles.
  var needsIdentity = false
  let operation: Operation

  /// Nodes of the files that every scenario starts with, one lookup counted for each.
  struct Prepared: Sendable {
    var directory: NodeID
    var file: NodeID
    var other: NodeID
  }

  /// `d` with `inner` in it, `e` empty; `f` and `g` with contents, `h` a second name of `f`; `user.x` on `f`.
  static func prepare(_ files: VolumeFileSystem) throws(Errno) -> Prepared {
    let directory = try files.makeDirectory("d", in: rootNode, mode: 0o755, caller: rootCaller)
    try files.makeFile("inner", in: directory.node, [1])
    try files.makeDirectory("e", in: rootNode, mode: 0o755, caller: rootCaller)
    let file = try files.makeFile("f", [2, 2])
    let other = try files.makeFile("g", [3, 3, 3])
    files.forget(try files.link(file.node, as: "h", in: rootNode, caller: rootCaller).node, 1)
    try files.setExtendedAttribute("user.x", of: file.node, to: [7], flags: [], caller: rootCaller)
    return Prepared(directory: directory.node, file: file.node, other: other.node)
  }

  static let all: [Scenario] = making + linking + removing + renaming + attributes

  /// One for each operation, where all would take too long.
  static let typical = all.filter { scenario in
    [
      "mkdir, new", "mknod of a pipe, new", "symlink, new", "create with O_EXCL, new", "link", "unlink f", "rmdir e",
      "rename f to n, flags 0", "rename f to g, flags 0", "rename f to n, flags 1", "rename f to g, flags 2",
      "setxattr user.n to [9], flags 1", "removexattr user.x",
    ].contains(scenario.description)
  }

  private static func make(
    _ description: String, needsIdentity: Bool = false,
    _ operation: @escaping @Sendable (VolumeFileSystem, Prepared, RequestID) throws(Errno) -> Entry
  ) -> Scenario {
    Scenario(description: description, needsIdentity: needsIdentity) { (files, prepared, request) throws(Errno) in
      Answer(try operation(files, prepared, request))
    }
  }

  private static func change(
    _ description: String, needsIdentity: Bool = false,
    _ operation: @escaping @Sendable (VolumeFileSystem, Prepared, RequestID) throws(Errno) -> Void
  ) -> Scenario {
    Scenario(description: description, needsIdentity: needsIdentity) { (files, prepared, request) throws(Errno) in
      try operation(files, prepared, request)
      return Answer()
    }
  }

  private static let making: [Scenario] = [("new", "n"), ("existing", "f")].flatMap { (what, text) in
    let name = FileName(bytes: text.utf8)
    return [
      make("mkdir, \(what)") { (files, _, request) throws(Errno) in
        try files.makeDirectory(name, in: rootNode, mode: 0o2750, caller: caller(7, 8), request: request)
      },
      make("mknod of a pipe, \(what)") { (files, prepared, request) throws(Errno) in
        try files.makeNode(
          name, in: rootNode, mode: 0o010640, device: 0, caller: rootCaller, request: request)
      },
      make("mknod of a file, \(what)") { (files, _, request) throws(Errno) in
        try files.makeNode(name, in: rootNode, mode: 0o100640, device: 0, caller: rootCaller, request: request)
      },
      make("symlink, \(what)") { (files, _, request) throws(Errno) in
        try files.makeSymlink(name, in: rootNode, target: [0x74], caller: rootCaller, request: request)
      },
      make("create with O_EXCL, \(what)") { (files, _, request) throws(Errno) in
        try files.create(
          name, in: rootNode, mode: 0o640, flags: O_RDWR | O_EXCL, caller: rootCaller, request: request
        ).entry
      },
      make("create, \(what)") { (files, _, request) throws(Errno) in
        try files.create(name, in: rootNode, mode: 0o640, flags: O_RDWR, caller: rootCaller, request: request).entry
      },
    ]
  }

  private static let linking: [Scenario] = [
    make("link", needsIdentity: true) { (files, prepared, request) throws(Errno) in
      try files.link(prepared.file, as: "n", in: prepared.directory, caller: rootCaller, request: request)
    },
    make("link to a name of the same file", needsIdentity: true) { (files, prepared, request) throws(Errno) in
      try files.link(prepared.file, as: "h", in: rootNode, caller: rootCaller, request: request)
    },
    make("link to a name of another file") { (files, prepared, request) throws(Errno) in
      try files.link(prepared.file, as: "g", in: rootNode, caller: rootCaller, request: request)
    },
    make("link of a directory") { (files, prepared, request) throws(Errno) in
      try files.link(prepared.directory, as: "n", in: rootNode, caller: rootCaller, request: request)
    },
  ]

  private static let removing: [Scenario] =
    ["f", "g", "absent", "d"].map { text in
      change("unlink \(text)") { (files, _, request) throws(Errno) in
        try files.unlink(FileName(bytes: text.utf8), in: rootNode, caller: rootCaller, request: request)
      }
    }
    + ["e", "d", "absent", "f"].map { text in
      change("rmdir \(text)") { (files, _, request) throws(Errno) in
        try files.removeDirectory(FileName(bytes: text.utf8), in: rootNode, caller: rootCaller, request: request)
      }
    }

  private static let renaming: [Scenario] =
    [
      ("f", "n", 0), ("f", "g", 0), ("f", "h", 0), ("d", "e", 0), ("e", "d", 0), ("f", "d", 0), ("d", "f", 0),
      ("absent", "n", 0), ("f", "n", 1), ("f", "g", 1), ("absent", "g", 1), ("f", "g", 2), ("f", "d", 2), ("f", "h", 2),
      ("f", "absent", 2), ("d", "n", 0), ("d", "e", 2),
    ].map { (old, new, flags) in
      change("rename \(old) to \(new), flags \(flags)") { (files, prepared, request) throws(Errno) in
        try files.rename(
          FileName(bytes: old.utf8), in: rootNode, to: FileName(bytes: new.utf8), in: rootNode,
          flags: RenameFlags(rawValue: UInt32(flags)), caller: rootCaller, request: request)
      }
    } + [
      change("rename into another directory") { (files, prepared, request) throws(Errno) in
        try files.rename(
          "f", in: rootNode, to: "inner", in: prepared.directory, flags: [], caller: rootCaller, request: request)
      }
    ]

  private static let attributes: [Scenario] =
    [
      (ExtendedAttributeFlags.create, "user.n", [9]), (.create, "user.x", [7]), (.create, "user.x", [9]),
      (.replace, "user.x", [9]), (.replace, "user.x", [7]), (.replace, "user.n", [9]), ([], "user.n", [9]),
    ].map { (flags: ExtendedAttributeFlags, name: String, value: [UInt8]) in
      change("setxattr \(name) to \(value), flags \(flags.rawValue)") { (files, prepared, request) throws(Errno) in
        try files.setExtendedAttribute(
          FileName(bytes: name.utf8), of: prepared.file, to: value, flags: flags, caller: rootCaller, request: request)
      }
    }
    + ["user.x", "user.n"].map { name in
      change("removexattr \(name)") { (files, prepared, request) throws(Errno) in
        try files.removeExtendedAttribute(
          FileName(bytes: name.utf8), of: prepared.file, caller: rootCaller, request: request)
      }
    }
}

/// All that somebody sees who looks at a directory from outside.
enum Tree {
  static func describe(_ directory: any UnderNode, _ path: String = "") throws -> [String] {
    var names: [FileName] = []
    _ = try directory.list(from: 0).forEach { (name, _, _, _) throws(Errno) in
      names.append(FileName(bytes: (0..<name.count - 1).map { name[$0] }))
      return true
    }
    var lines: [String] = []
    for name in names.sorted(by: { $0.description < $1.description }) where name != "." && name != ".." {
      let (node, attributes) = { ($0.node, $0.attributes) }(try directory.lookup(name))
      var line = "\(path)\(name) \(String(attributes.mode, radix: 8)) \(attributes.linkCount) \(attributes.uid)"
      if attributes.isRegular { line += " \(try content(node)) \(try extended(node))" }
      if attributes.type == FileType.symlink { line += " \(try node.readLink())" }
      lines.append(line)
      if attributes.isDirectory { lines += try describe(node, "\(path)\(name)/") }
    }
    return lines
  }

  private static func content(_ node: any UnderNode) throws(Errno) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 100)
    var span = bytes.mutableSpan
    var raw = span.mutableBytes
    let count = try node.open(.read, caller: rootCaller).read(into: &raw, at: 0)
    return Array(bytes.prefix(count))
  }

  private static func extended(_ node: any UnderNode) throws(Errno) -> [String] {
    var found: [String] = []
    for name in try node.extendedAttributeNames().split(separator: 0) {
      let name = FileName(bytes: name)
      found.append("\(name)=\(try node.extendedAttribute(name))")
    }
    return found.sorted()
  }
}
