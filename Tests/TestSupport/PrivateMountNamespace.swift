internal import CLinux
import Glibc
import LinuxSystem
import Synchronization
import SystemPackage

/// A mount namespace of one thread, whose mounts nobody else sees and which end with it.
package enum PrivateMountNamespace {
  /// Runs `body` on a new thread that has its own mount namespace and working directory; the whole process waits for it.
  ///
  /// Threads and processes that `body` starts belong to the namespace too, and keep it alive while they live. Other
  /// threads of the process, so `BlockingCall` and tasks, are outside it.
  package static func run<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
      OwnThread.start {
        do {
          try Syscall.once { clinux_unshare_mounts() }
          try Mount.setPropagation(.private, of: "/", recursive: true)
          continuation.resume(returning: try body())
        } catch {
          continuation.resume(throwing: error)
        }
      }
    }
  }
}

/// Threads for tests that change what belongs to a thread: namespaces, credentials, signal masks, blocking calls.
package enum OwnThread {
  /// Starts a thread that ends with `body`.
  package static func start(_ body: @escaping @Sendable () -> Void) {
    do throws(Errno) {
      try DetachedThread.start(name: "test", stackSize: 4 << 20, body)
    } catch {
      preconditionFailure("no thread could be started: \(error)")
    }
  }

  /// Runs `body` on a thread of its own and waits for it without blocking the caller's thread.
  package static func run<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
      start { continuation.resume(with: Result { try body() }) }
    }
  }
}
