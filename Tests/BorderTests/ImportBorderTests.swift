import Testing

@Suite("Borders between targets, in the text of the sources")
struct ImportBorderTests {
  /// C modules and who may import them, beside Wire folders for the messages' runtime: one target and its tests.
  /// TestSupport reaches for namespaces and threads, ApplicationLoad for the calls whose answers it checks.
  static let owners: [(module: String, importers: Set<String>)] = [
    ("CGRPC", ["GRPC"]),
    ("CFuse", ["Fuse", "FuseTests"]),
    ("CLinux", ["LinuxSystem", "TestSupport", "FuseTests", "ApplicationLoad"]),
    ("CProtobufC", ["ProtobufC", "ProtobufCTests", "CSIProtocolTests", "CSIDriverTests"]),
    ("CMessageDigest", ["VolumeModel"]),
    ("CCurl", ["HTTP"]),
    ("CExpat", ["ObjectStore"]),
    ("CMicroHTTPD", ["HTTPServer"]),
    ("CXXHash", ["PageStore"]),
    ("CYAML", ["Kubernetes"]),
  ]

  @Test("each C library has one importer", arguments: owners)
  func importers(module: String, importers: Set<String>) {
    let files = SourceFile.sources + SourceFile.tests
    #expect(files.count > 100, "the sources were not found")
    let strangers = files.filter { file in
      let isMessage = module == "CProtobufC" && file.isWire
      return file.imports.contains(module) && !importers.contains(file.target) && !isMessage
    }.map(\.path)
    #expect(strangers == [], "\(module) is imported by strangers")
  }

  @Test("messages in C stay in Wire folders", arguments: ["CSIProtocol", "MounterProtocol"])
  func wire(module: String) {
    #expect(SourceFile.sources.filter { $0.imports.contains(module) && !$0.isWire }.map(\.path) == [])
  }

  @Test("the mounter and all below it do without Foundation and ArgumentParser")
  func smallTargets() {
    let small: Set = ["alluxio-mounter", "Mounter", "LinuxSystem", "ProtobufC", "VolumeModel", "Log"]
    let large = SourceFile.sources.filter { file in
      small.contains(file.target) && file.imports.contains { $0.hasPrefix("Foundation") || $0 == "ArgumentParser" }
    }
    #expect(large.map(\.path) == [])
  }

  @Test("HTTP does without Foundation")
  func withoutFoundation() {
    let files = SourceFile.sources.filter { $0.target == "HTTP" }
    #expect(!files.isEmpty)
    #expect(files.filter { $0.imports.contains { $0.hasPrefix("Foundation") } }.map(\.path) == [])
  }

  @Test("the page store knows the disk alone: no Foundation, no FUSE, no network, no under file system")
  func pageStore() {
    let allowed: Set = ["CXXHash", "DequeModule", "Glibc", "LinuxSystem", "Synchronization", "SystemPackage"]
    let files = SourceFile.sources.filter { $0.target == "PageStore" }
    #expect(files.count > 10, "the sources were not found")
    let strangers = files.flatMap { file in file.imports.subtracting(allowed).map { "\(file.path): \($0)" } }
    #expect(strangers == [])
  }

  @Test("the client of Kubernetes knows nothing of volumes, and the worker nothing of Kubernetes")
  func kubernetes() {
    let allowed: Set = [
      "CYAML", "DequeModule", "FoundationEssentials", "Glibc", "HTTP", "LinuxSystem", "Synchronization",
      "SystemPackage",
    ]
    let files = SourceFile.sources.filter { $0.target == "Kubernetes" }
    #expect(files.count > 10, "the sources were not found")
    #expect(files.flatMap { file in file.imports.subtracting(allowed).map { "\(file.path): \($0)" } } == [])
    let importers = SourceFile.sources.filter { $0.imports.contains("Kubernetes") }.map(\.target)
    #expect(Set(importers).isSubset(of: ["CSIDriver", "alluxio-csi"]))
  }

  @Test("full Foundation is imported nowhere")
  func foundation() {
    #expect(SourceFile.sources.filter { $0.imports.contains("Foundation") }.map(\.path) == [])
  }

  /// Targets that are made of unsafe code: each line of theirs that needs it is theirs to justify.
  static let unsafeTargets: Set = ["LinuxSystem", "GRPC", "ProtobufC", "Fuse", "HTTP", "HTTPServer"]
  /// Single files that need one unsafe call and say why in a SAFETY sentence.
  static let unsafeFiles: Set = [
    "Sources/VolumeModel/Digest.swift",  // SHA-256 by libmd takes pointers
    "Sources/Log/LineLogHandler.swift",  // one write(2) per line
    "Sources/PageStore/File/PageChecksum.swift",  // XXH3 takes pointers
    "Sources/Kubernetes/Access/YAMLText.swift",  // libfyaml takes pointers
  ]

  @Test("unsafe code lives in six targets and in Wire folders")
  func unsafeCode() {
    var found: [String] = []
    for file in SourceFile.sources where !Self.unsafeTargets.contains(file.target) && !file.isWire {
      let isException = Self.unsafeFiles.contains(file.path)
      if isException, file.lines.contains(where: { $0.contains("SAFETY:") }) { continue }
      for line in file.code where !line.text.contains("@unsafe") {
        let isUnsafe = line.words.contains { word in
          word == "unsafe" || word == "Unmanaged" || word.hasPrefix("Unsafe") || word.hasPrefix("withUnsafe")
            || word.hasPrefix("unsafe")
        }
        if isUnsafe { found.append("\(file.path):\(line.number): \(line.text)") }
      }
    }
    #expect(found == [])
  }

  /// Calls of glibc that reach the kernel; the typed ones of LinuxSystem are methods and so come after a dot.
  static let systemCalls: Set<Substring> = [
    "open", "openat", "read", "write", "pread", "pwrite", "close", "stat", "lstat", "fstat", "fstatat", "statvfs",
    "mkdir", "mkdirat", "rmdir", "unlink", "unlinkat", "rename", "renameat", "link", "linkat", "symlink", "readlink",
    "mount", "umount", "umount2", "ioctl", "fcntl", "flock", "mmap", "munmap", "socket", "connect", "bind", "listen",
    "accept", "sendmsg", "recvmsg", "send", "recv", "poll", "fork", "execve", "execv", "posix_spawn", "waitpid", "kill",
    "opendir", "readdir", "chmod", "fchmod", "chown", "ftruncate", "fsync", "pthread_create", "signal", "sigaction",
    "usleep", "sleep", "nanosleep", "system", "popen",
  ]
  /// Where Glibc may be used for more than its constants.
  static let systemTargets: Set = ["LinuxSystem", "GRPC", "ProtobufC", "Fuse", "HTTP", "HTTPServer", "Log"]

  @Test("system calls are made by LinuxSystem, and nobody else uses more of Glibc than its constants")
  func systemCallsElsewhere() {
    // A method of the target's own may be named as a system call is.
    var methods: [String: Set<Substring>] = [:]
    for file in SourceFile.sources {
      for line in file.code where line.words.contains("func") {
        guard let name = line.text.split(separator: "func ").last?.split(separator: "(").first else { continue }
        methods[file.target, default: []].insert(name.prefix { $0 != "<" })
      }
    }
    var found: [String] = []
    for file in SourceFile.sources where file.imports.contains("Glibc") {
      if Self.systemTargets.contains(file.target) || file.isWire { continue }
      let calls = Self.systemCalls.subtracting(methods[file.target] ?? [])
      for line in file.code {
        for call in line.words.intersection(calls) where Self.isCall(of: call, in: line.text) {
          found.append("\(file.path):\(line.number): \(line.text)")
        }
      }
    }
    #expect(found == [])
  }

  /// Whether the line calls a free function of this name: no method, no declaration, no case.
  private static func isCall(of name: Substring, in line: String) -> Bool {
    let pieces = line.split(separator: "\(name)(", omittingEmptySubsequences: false)
    return pieces.dropLast().contains { before in
      if before.hasSuffix("Glibc.") { return true }
      if before.hasSuffix("func ") || before.hasSuffix("case ") { return false }
      guard let last = before.last else { return true }
      return !(last.isLetter || last.isNumber || last == "_" || last == ".")
    }
  }

  @Test("what a volume answers by itself comes from the one table of errors")
  func errors() throws {
    let table = try #require(SourceFile.sources.first { $0.path.hasSuffix("/Errno+FileSystem.swift") })
    // `static var reason: Errno { .nameOfTheNumber }`
    let numbers = Set(
      table.code.compactMap { line -> Substring? in
        let parts = line.text.split(separator: "{ .")
        return parts.count > 1 ? parts[1].split(separator: " ").first : nil
      })
    #expect(numbers.contains("staleNFSFileHandle") && numbers.count > 10, "\(numbers)")
    var found: [String] = []
    for file in SourceFile.sources where Self.answersErrors(file) {
      for line in file.code {
        guard let thrown = line.text.split(separator: "throw .").last, line.text.contains("throw .") else { continue }
        let name = thrown.prefix { $0.isLetter }
        if numbers.contains(name) { found.append("\(file.path):\(line.number): \(line.text)") }
      }
    }
    #expect(found == [])
  }

  /// Whether errors thrown in the file reach the kernel. `InMemory` imitates another file system, a session's errors are its
  /// starter's.
  private static func answersErrors(_ file: SourceFile) -> Bool {
    switch file.target {
    case "VolumeFileSystem": true
    case "UnderFileSystem": !file.parts.contains("InMemory")
    case "Fuse": file.parts.contains("OperationTable") || file.parts.contains("Request")
    default: false
    }
  }

  @Test("nothing is public: targets share by package access")
  func access() {
    let open = SourceFile.sources.flatMap { file in
      file.code.filter { $0.text.hasPrefix("public ") || $0.text.contains(" public ") }
        .map { "\(file.path):\($0.number)" }
    }
    #expect(open == [])
  }
}
