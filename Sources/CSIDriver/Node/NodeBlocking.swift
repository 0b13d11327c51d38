internal import LinuxSystem
internal import SystemPackage

/// Runs work on targets, which may hang on a dead mount, on a thread that can be left behind.
///
/// Cleaning up must not be skipped when the caller is gone: it runs in a task of its own, `Detached`.
enum NodeBlocking {
  /// - Parameters:
  ///   - step: what is done to what, for errors: "unmount /a/b".
  ///   - whenLate: undoes what a call did that nobody waits for any more.
  static func run<Value: Sendable>(
    _ step: String, by deadline: Deadline, whenLate: @escaping @Sendable (Value) -> Void = { _ in },
    _ body: @escaping @Sendable () throws(TargetFault) -> Value
  ) async throws(CSIError) -> Value {
    let outcome: Result<Value, TargetFault>
    do throws(BlockingCallError) {
      outcome = try await BlockingCall.run(
        name: step, deadline: deadline,
        whenLate: { (late: Result<Value, TargetFault>) in if case .success(let value) = late { whenLate(value) } },
        { () throws(Errno) in
          do throws(TargetFault) { return .success(try body()) } catch { return .failure(error) }
        })
    } catch {
      throw CSIError(error)
    }
    do throws(TargetFault) { return try outcome.get() } catch { throw CSIError(error) }
  }

  /// Runs `body` to its end, whether or not the call that asked for it is cancelled meanwhile.
  static func uncancelled<Value: Sendable>(_ body: @escaping @Sendable () async -> Value) async -> Value {
    await Task { await body() }.value
  }
}
