import LinuxSystem
import SystemPackage

/// Reads that the disk has to answer, on threads that can be left to it.
final class ColdReads: @unchecked Sendable {
  // SAFETY (Sendable): all mutable state, that of the jobs too, is touched only under `monitor`; a job's buffer belongs to
  // its thread while the job runs.

  /// Most that one read asks for, in bytes.
  static let limit = 256 << 10
  private static let maximumThreads = 4
  private static let idleTime: Duration = .seconds(10)

  private final class Job: @unchecked Sendable {
    // SAFETY (Sendable): as that of the pool.
    let file: PageFile
    let offset: Int64
    let count: Int
    let done: Condition
    var bytes: [UInt8]
    var result: Result<Int, Errno>?
    var isAbandoned = false
    var isRunning = false

    init(file: PageFile, offset: Int64, count: Int, bytes: [UInt8], done: Condition) {
      self.file = file
      self.offset = offset
      self.count = count
      self.bytes = bytes
      self.done = done
    }
  }

  private let monitor: Monitor
  private let wakeUp: Condition
  private var waiting: [Job] = []
  private var buffers: [[UInt8]] = []
  private var threads = 0
  private var idle = 0
  /// Reads that nobody waits for any more and the disk has not answered.
  private var stuck = 0

  init() {
    monitor = Monitor()
    wakeUp = Condition(of: monitor)
  }

  /// Whether the disk owes an answer that was given up.
  var isStuck: Bool { monitor.locked { stuck > 0 } }

  /// Reads at most ``limit`` bytes and hands them to `body`.
  /// - Returns: bytes read, or nil when the disk has not answered by `deadline`.
  func read(
    _ file: PageFile, at offset: Int64, count: Int, by deadline: Deadline, _ body: (RawSpan) -> Void
  ) -> Result<Int, Errno>? {
    let (job, needsThread) = monitor.locked { () -> (Job, Bool) in
      let buffer = buffers.popLast() ?? [UInt8](repeating: 0, count: Self.limit)
      let job = Job(file: file, offset: offset, count: count, bytes: buffer, done: Condition(of: monitor))
      waiting.append(job)
      wakeUp.signal()
      let needsThread = idle < waiting.count && threads < Self.maximumThreads
      if needsThread { threads += 1 }
      return (job, needsThread)
    }
    if needsThread { startThread() }
    let answer = monitor.locked { () -> (Result<Int, Errno>, [UInt8])? in
      while job.result == nil {
        if !job.done.wait(until: deadline), job.result == nil {
          abandon(job)
          return nil
        }
      }
      let bytes = job.bytes
      job.bytes = []
      return job.result.map { ($0, bytes) }
    }
    guard let answer else { return nil }
    if case .success(let got) = answer.0 { answer.1.withRawSpan(0..<got, body) }
    let bytes = answer.1
    monitor.locked { if buffers.count < Self.maximumThreads { buffers.append(bytes) } }
    return answer.0
  }

  /// Under the monitor.
  private func abandon(_ job: Job) {
    job.isAbandoned = true
    if job.isRunning { stuck += 1 } else { waiting.removeAll { $0 === job } }
  }

  private func startThread() {
    do throws(Errno) {
      try DetachedThread.start(name: "page-read", stackSize: 256 << 10) { self.serve() }
    } catch {
      // Out of threads: the reads wait for one that comes free, or for their deadline.
      monitor.locked { threads -= 1 }
    }
  }

  private func serve() {
    while let job = next() {
      let (result, bytes) = Self.run(job)
      monitor.locked {
        job.result = result
        job.bytes = bytes
        if job.isAbandoned { stuck -= 1 }
        job.done.signal()
      }
    }
  }

  private static func run(_ job: Job) -> (Result<Int, Errno>, [UInt8]) {
    var bytes: [UInt8] = []
    swap(&bytes, &job.bytes)
    let result: Result<Int, Errno>
    do throws(Errno) {
      try job.file.folder.reach(.readColdData)
      result = .success(try job.file.descriptor.read(into: &bytes, count: job.count, at: job.offset))
    } catch {
      result = .failure(error)
    }
    return (result, bytes)
  }

  private func next() -> Job? {
    monitor.locked {
      let end = Deadline.after(Self.idleTime)
      while waiting.isEmpty {
        idle += 1
        let wasSignalled = wakeUp.wait(until: end)
        idle -= 1
        if !wasSignalled, waiting.isEmpty {
          threads -= 1
          return nil
        }
      }
      let job = waiting.removeFirst()
      job.isRunning = true
      return job
    }
  }
}
