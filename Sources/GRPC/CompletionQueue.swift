import CGRPC
import Glibc
import Synchronization

/// The tag of one operation of core: what to do when it is done. Retained by core from `tag` to its completion.
final class Completion {
  private let body: (Bool) -> Void
  /// Orders what was done before the hand-over to core before what `body` does. core synchronizes as well, but out of
  /// ThreadSanitizer's sight.
  private let isHandedOver = Atomic(false)

  /// `body` gets whether the operation succeeded, on the queue's thread; it must not block.
  init(_ body: @escaping (Bool) -> Void) { self.body = body }

  /// Hands one reference to core, which gives it back through `CompletionQueue`. The last thing before core's call.
  func makeTag() -> UnsafeMutableRawPointer {
    isHandedOver.store(true, ordering: .releasing)
    return Unmanaged.passRetained(self).toOpaque()
  }

  /// For an operation that core refused: its tag will never come back.
  static func drop(_ tag: UnsafeMutableRawPointer) { Unmanaged<Completion>.fromOpaque(tag).release() }

  fileprivate static func run(_ tag: UnsafeMutableRawPointer, _ isOK: Bool) {
    let completion = Unmanaged<Completion>.fromOpaque(tag).takeRetainedValue()
    _ = completion.isHandedOver.load(ordering: .acquiring)
    completion.body(isOK)
  }
}

/// A completion queue of core and its one thread. All completions of a queue run on that thread, one after the other.
final class CompletionQueue: @unchecked Sendable {
  // SAFETY (Sendable): core's queue is thread safe; `thread` is written once, before anyone else has the object.
  let core: OpaquePointer
  private var thread = pthread_t()

  /// Keeps core initialized until `shutdown`.
  init() {
    CoreLog.install()
    grpc_init()
    core = grpc_completion_queue_create_for_next(nil)
    let error = pthread_create(
      &thread, nil,
      { argument in
        Unmanaged<CompletionQueue>.fromOpaque(argument!).takeRetainedValue().poll()
        return nil
      }, Unmanaged.passRetained(self).toOpaque())
    precondition(error == 0, "cannot start a thread for gRPC: \(String(cString: strerror(error)))")
  }

  private func poll() {
    while true {
      let event = grpc_completion_queue_next(core, gpr_inf_future(GPR_CLOCK_REALTIME), nil)
      switch event.type {
      case GRPC_OP_COMPLETE: Completion.run(event.tag, event.success != 0)
      case GRPC_QUEUE_SHUTDOWN: return
      default: continue
      }
    }
  }

  /// Ends the queue when all its operations have completed, waits for its thread and frees it. Once, and never from a
  /// completion.
  func shutdown() {
    grpc_completion_queue_shutdown(core)
    pthread_join(thread, nil)
    grpc_completion_queue_destroy(core)
    grpc_shutdown()
  }
}
