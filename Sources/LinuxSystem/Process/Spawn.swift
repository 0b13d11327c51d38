internal import CLinux
import Glibc
package import SystemPackage

/// A program to start with posix_spawn(3), and all that it gets: nothing else is inherited.
///
/// The child has no descriptor but 0, 1, 2 and those of `descriptors`; its signals are unblocked and at their defaults.
package struct Spawn: Sendable {
  /// Path of the program; PATH is not searched.
  package var executable: String
  /// `argv`, the program's name included. Visible to every user of the machine.
  package var arguments: [String]
  /// `KEY=value`; nothing is inherited.
  package var environment: [String]
  /// The child's numbers and this process's descriptors behind them. They stay open here.
  /// Without an entry for 0 the child reads from /dev/null; without one for 1 or 2 it shares this process's.
  package var descriptors: [CInt: CInt] = [:]
  /// Makes the child leader of a session of its own, so that no terminal's signal reaches it.
  package var newSession = false
  /// nil: this process's.
  package var workingDirectory: String?

  package init(executable: String, arguments: [String], environment: [String] = []) {
    self.executable = executable
    self.arguments = arguments
    self.environment = environment
  }

  /// Starts the program.
  /// - Returns: the child. Somebody must `wait()` for it, or it stays a zombie.
  /// - Throws: what exec says (ENOENT, EACCES, …), EBADF for a descriptor that is not open.
  package func start() throws(Errno) -> PidFD {
    for text in arguments + environment + [executable, workingDirectory ?? ""] { try Syscall.checkNoNul(text) }
    var actions = posix_spawn_file_actions_t()
    try Syscall.returningError { posix_spawn_file_actions_init(&actions) }
    defer { posix_spawn_file_actions_destroy(&actions) }
    // Kept until the child has its own copies: the optimizer ends an object's life with its last use, not with its scope.
    let sources = try addDescriptors(to: &actions)
    defer { withExtendedLifetime(sources) {} }
    if let workingDirectory {
      try Syscall.returningError { posix_spawn_file_actions_addchdir_np(&actions, workingDirectory) }
    }
    var attributes = posix_spawnattr_t()
    try Syscall.returningError { posix_spawnattr_init(&attributes) }
    defer { posix_spawnattr_destroy(&attributes) }
    try setAttributes(&attributes)

    var pid: Int32 = 0
    let argv = CStringArray(arguments)
    let envp = CStringArray(environment)
    try Syscall.returningError { posix_spawn(&pid, executable, &actions, &attributes, argv.pointers, envp.pointers) }
    return try PidFD(pid: pid)
  }

  /// Copies every source above all targets first, so that no mapping overwrites the source of another.
  private func addDescriptors(to actions: inout posix_spawn_file_actions_t) throws(Errno) -> [SharedDescriptor] {
    let last = max(2, descriptors.keys.max() ?? 2)
    var sources: [SharedDescriptor] = []
    if descriptors[0] == nil {
      try Syscall.returningError { posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0) }
    }
    for (target, source) in descriptors {
      let copy = Descriptor(adopting: try Syscall.once { fcntl(source, F_DUPFD_CLOEXEC, last + 1) })
      try Syscall.returningError { posix_spawn_file_actions_adddup2(&actions, copy.rawValue, target) }
      sources.append(SharedDescriptor(copy))
    }
    for number in 3..<(last + 1) where descriptors[number] == nil {
      try Syscall.returningError { posix_spawn_file_actions_addclose(&actions, number) }
    }
    // Libraries and our own parent may have left descriptors without CLOEXEC.
    try Syscall.returningError { posix_spawn_file_actions_addclosefrom_np(&actions, last + 1) }
    return sources
  }

  private func setAttributes(_ attributes: inout posix_spawnattr_t) throws(Errno) {
    var all = sigset_t()
    sigfillset(&all)
    var none = sigset_t()
    sigemptyset(&none)
    try Syscall.returningError { posix_spawnattr_setsigdefault(&attributes, &all) }
    try Syscall.returningError { posix_spawnattr_setsigmask(&attributes, &none) }
    var flags = CInt(POSIX_SPAWN_SETSIGDEF) | CInt(POSIX_SPAWN_SETSIGMASK)
    if newSession { flags |= CLINUX_POSIX_SPAWN_SETSID }
    try Syscall.returningError { posix_spawnattr_setflags(&attributes, Int16(flags)) }
  }
}

/// `char *const []` with its final NULL.
private final class CStringArray {
  let pointers: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
  private let count: Int

  init(_ texts: [String]) {
    count = texts.count
    pointers = .allocate(capacity: count + 1)
    pointers.initialize(repeating: nil, count: count + 1)
    for (index, text) in texts.enumerated() { pointers[index] = strdup(text) }
  }

  deinit {
    for index in 0..<count { free(pointers[index]) }
    pointers.deallocate()
  }
}
