internal import CLinux
import Glibc
package import SystemPackage

/// A thread that nobody joins. pthread_create(3).
package struct DetachedThread: Sendable, Equatable {
  private let thread: pthread_t

  private final class Body {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }

  /// The calling thread.
  package static var current: DetachedThread { DetachedThread(thread: pthread_self()) }

  /// Runs `body` on a thread of its own, which ends with it.
  /// - Parameters:
  ///   - name: for ps and top; cut after 15 bytes.
  ///   - stackSize: bytes; only touched pages cost memory.
  /// - Throws: EAGAIN when the process or the machine may have no more threads.
  @discardableResult
  package static func start(
    name: String, stackSize: Int, _ body: @escaping @Sendable () -> Void
  ) throws(Errno) -> DetachedThread {
    // SAFETY: the thread takes over the reference; when it cannot be made, it is taken back here.
    let context = Unmanaged.passRetained(
      Body {
        ProcessAttributes.setThreadName(name)
        body()
      })
    var thread = pthread_t()
    let result = clinux_start_detached_thread(
      &thread, stackSize,
      { context in
        guard let context else { return nil }
        Unmanaged<Body>.fromOpaque(context).takeRetainedValue().run()
        return nil
      }, context.toOpaque())
    guard result == 0 else {
      context.release()
      throw Errno(rawValue: result)
    }
    return DetachedThread(thread: thread)
  }

  /// Sends it a signal, as to end a system call early. Only while the thread surely runs: its name is given to others
  /// afterwards. pthread_kill(3).
  package func signal(_ number: CInt) { pthread_kill(thread, number) }

  package static func == (left: DetachedThread, right: DetachedThread) -> Bool {
    pthread_equal(left.thread, right.thread) != 0
  }
}

/// A thread of this process as the kernel numbers it. gettid(2).
package struct ThreadID: Sendable, Hashable {
  private let number: Int32

  /// That of the calling thread.
  package static var current: ThreadID { ThreadID(number: clinux_gettid()) }

  /// Whether the thread computes or would, if it had a processor, and does not wait for something. False when it is gone.
  /// proc(5), `/proc/pid/stat`.
  package var wantsProcessor: Bool {
    guard let file = try? Descriptor.open("/proc/self/task/\(number)/stat", O_RDONLY),
      let text = try? file.read(upTo: 128), let end = text.lastIndex(of: UInt8(ascii: ")"))
    else { return false }
    // `number (name) state …`; the name may hold anything, and nothing after the state that was read holds a bracket.
    return text.dropFirst(end + 2).first == UInt8(ascii: "R")
  }
}
