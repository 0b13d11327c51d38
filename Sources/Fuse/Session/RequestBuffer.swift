import CFuse
import Glibc
import LinuxSystem
import SystemPackage
import VolumeFileSystem

/// Memory of one reader thread: the kernel copies a request to its start, and the data of an answer is put behind it.
///
/// It is shared, faulted-in memory: when SIGKILL lands while the kernel copies into a page that is not there yet, the
/// application gets EIO, and the OOM reaper takes private pages away from under a copy. The largest requests are writes
/// (`maxWrite` bytes behind up to 4096 of headers); all others are short, so answers fit behind them.
final class RequestBuffer: @unchecked Sendable {
  // SAFETY (Sendable): used by one thread at a time, the reader that owns it.
  private let memory: SharedMemory
  /// Start of the request: `fuse_in_header` and the operation's own bytes.
  let request: UnsafeMutableRawPointer
  /// Where the data of an answer goes, `maxWrite` bytes. Overlaps the data of a WRITE.
  let answer: UnsafeMutableRawBufferPointer

  /// The request's operation, FUSE_LOOKUP and so on.
  private(set) var opcode: UInt32 = 0
  /// The request's name between kernel and worker; bit 63 says that an earlier worker had read it.
  private(set) var unique: UInt64 = 0
  /// Of the reader's session, from its first request on.
  private var clock: RequestClock?

  /// False for what only tells the worker something.
  var wantsAnswer: Bool {
    switch opcode {
    case FUSE_FORGET.rawValue, FUSE_BATCH_FORGET.rawValue, FUSE_INTERRUPT.rawValue: false
    default: true
    }
  }

  /// Whether the kernel demands that setuid and setgid be cleared (SETATTR, WRITE): bits that libfuse 3.14 hides.
  private(set) var killsPrivileges = false

  /// Bytes that lie before the data of an answer, and that headers of a request need at most.
  static let headerRoom = 4096

  init() throws(Errno) {
    let size = Self.headerRoom + Int(FuseInitReply.maxWrite)
    memory = try SharedMemory(anonymousByteCount: size)
    let bytes = memory.pointer(at: 0, count: size)
    // SAFETY: a mapping of `size` > 0 bytes has an address.
    request = bytes.baseAddress.unsafelyUnwrapped
    answer = UnsafeMutableRawBufferPointer(rebasing: bytes[Self.headerRoom...])
  }

  deinit { clock?.end() }

  /// Work on a request begins.
  func begin(_ progress: SessionProgress) {
    let clock = self.clock ?? progress.makeClock()
    self.clock = clock
    clock.begin()
  }

  /// Counts what an answer says of a file's content.
  func note(_ reply: Reply) {
    switch (opcode, reply) {
    case (FUSE_READ.rawValue, .buffered(let count)): clock?.noteRead(count)
    case (_, .lent(let bytes)): clock?.noteRead(bytes.byteCount)
    case (_, .written(let count)): clock?.noteWritten(count)
    default: break
    }
  }

  /// The request is done with.
  func finish() { clock?.stop() }

  /// Notes what libfuse does not hand on. Before the request is processed: libfuse clears bits in place.
  func inspect(byteCount: Int) {
    // SAFETY: libfuse has checked that a whole header arrived; the operation's words are read only where they did too.
    let header = request.assumingMemoryBound(to: fuse_in_header.self)
    opcode = header.pointee.opcode
    unique = header.pointee.unique
    let body = request + MemoryLayout<fuse_in_header>.size
    let bodyCount = byteCount - MemoryLayout<fuse_in_header>.size
    switch opcode {
    case FUSE_SETATTR.rawValue where bodyCount >= MemoryLayout<fuse_setattr_in>.size:
      killsPrivileges = body.load(as: fuse_setattr_in.self).valid & cfuse_setattr_kill_suidgid != 0
    case FUSE_WRITE.rawValue where bodyCount >= MemoryLayout<fuse_write_in>.size:
      killsPrivileges = body.load(as: fuse_write_in.self).write_flags & cfuse_write_kill_suidgid != 0
    default:
      killsPrivileges = false
    }
  }
}

/// The calling thread's buffer: libfuse hands its operations no pointer of the caller's.
enum CurrentBuffer {
  private static let key: pthread_key_t = {
    var key = pthread_key_t()
    let error = pthread_key_create(&key, nil)
    precondition(error == 0, "no thread-specific key is left")
    return key
  }()

  /// Runs `body` with `buffer` as the buffer of this thread's requests.
  static func with(_ buffer: RequestBuffer, _ body: () -> Void) {
    // SAFETY: the buffer outlives the call, and the pointer is taken away before it returns.
    withExtendedLifetime(buffer) {
      pthread_setspecific(key, Unmanaged.passUnretained(buffer).toOpaque())
      body()
      pthread_setspecific(key, nil)
    }
  }

  /// Nil outside of `with`, as while FUSE_INIT is replayed.
  static var value: RequestBuffer? {
    guard let pointer = pthread_getspecific(key) else { return nil }
    // SAFETY: set by `with`, which keeps the object alive.
    return Unmanaged<RequestBuffer>.fromOpaque(pointer).takeUnretainedValue()
  }
}
