import LinuxSystem
import Logging
import Mounter
import SystemPackage
import VolumeFileSystem

/// The mounter as the one who registers files with the kernel, which takes a capability that workers do not have. Calls come
/// from the threads that serve requests; the answers from the one that reads the mounter's commands.
final class MounterBackings: BackingFileRegistry, @unchecked Sendable {
  // SAFETY (Sendable): what varies is read and written with the monitor's lock held.
  private let channel: WorkerChannel
  private let log: Logger
  private let monitor = Monitor()
  private let arrival: Condition
  private var lastCall: UInt64 = 0
  /// Calls that somebody waits for, with their answers.
  private var calls: [UInt64: Answer?] = [:]
  /// Until then files are opened without asking.
  private var pausedUntil = Deadline.now

  private struct Answer {
    var id: Int32
    var error: Int32
  }

  /// How long an open waits: far longer than a mounter takes, or its successor to start.
  private static let patience = Duration.seconds(1)
  /// After a mounter that did not answer, or could not.
  private static let pause = Duration.seconds(10)

  init(_ channel: WorkerChannel, _ log: Logger) {
    self.channel = channel
    self.log = log
    arrival = Condition(of: monitor)
  }

  func open(_ node: NodeID, descriptor: CInt) -> Int32? {
    let call = monitor.locked { () -> UInt64? in
      guard pausedUntil <= .now else { return nil }
      lastCall += 1
      calls.updateValue(nil, forKey: lastCall)
      return lastCall
    }
    guard let call else { return nil }
    do throws(Errno) { try channel.openBacking(node, descriptor: descriptor, call: call) } catch {
      answered(call, id: 0, error: error.rawValue)
    }
    let answer = wait(call)
    if let id = answer?.id, id > 0 { return id }
    refused(answer?.error)
    return nil
  }

  var isOff: Bool { monitor.locked { pausedUntil == .never } }

  private func wait(_ call: UInt64) -> Answer? {
    let deadline = Deadline.after(Self.patience)
    return monitor.locked {
      while case .some(nil) = calls[call], arrival.wait(until: deadline) {}
      return calls.removeValue(forKey: call) ?? nil
    }
  }

  /// - Parameter error: nil: no answer came.
  private func refused(_ error: Int32?) {
    // This file alone: too many open ones, or none that could be registered.
    let isOfFile = [Errno.tooManyOpenFilesInSystem, .noMemory, .noSpace, .badFileDescriptor].map(\.rawValue)
    if let error, isOfFile.contains(error) { return }
    let lasting: [Errno] = [.notPermitted, .tooManySymbolicLinkLevels, .notSupported]
    let lasts = error.map { lasting.map(\.rawValue).contains($0) }
    let isNews = monitor.locked {
      defer { pausedUntil = lasts == true ? .never : .after(Self.pause) }
      return pausedUntil <= .now
    }
    guard isNews else { return }
    log.notice(
      "files are read and written by the worker: the kernel cannot do it itself",
      metadata: ["reason": "\(error.map { Errno(rawValue: $0).description } ?? "the mounter does not answer")"])
  }

  /// The mounter has answered.
  func answered(_ call: UInt64, id: Int32, error: Int32) {
    monitor.locked {
      // Nobody waits for it any more: the node's last close does away with it.
      guard calls[call] != nil else { return }
      calls[call] = .some(Answer(id: id, error: error))
      arrival.broadcast()
    }
  }

  func close(_ node: NodeID, _ id: Int32) {
    // A mounter that cannot be told goes with its mounts, or another one asks the kernel.
    try? channel.closeBacking(node, id)
  }
}
